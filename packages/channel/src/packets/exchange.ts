import type { IncomingRequest } from '@kithmesh/blip'
import { type Clock, type IncomingTrustPolicy, type Logger, type PacketKind, isKithmeshError, packetAllowed } from '@kithmesh/core'
import { Deferred, TokenBucket } from '@kithmesh/core/plugin'
import { type ChannelBody, decodeBody, encodeBody } from '../body.ts'
import type { Attachment } from '../connection/attachment.ts'
import type { Hello } from '../connection/hello.ts'
import { cutReason } from '../connection/trust-word.ts'
import { channelErrors } from '../errors.ts'
import { type JsonObject, jsonBytes, parseJsonObject } from '../json.ts'
import type { ChannelLimits } from '../limits.ts'
import { Events } from '../messages/events.ts'
import { Requests } from '../messages/requests.ts'
import { PACKET } from '../profiles.ts'
import type { ChannelMessage, PacketHandlers, RawPacket } from './handlers.ts'
import { PacketInbox } from './inbox.ts'
import { Outbox, type OutboxLink, type SendPacketOptions } from './outbox.ts'
import { type ReceivedPacket, type SequencedKind, packetProperties } from './packet.ts'
import {
  MAX_SHARED_PEERS,
  type PeerGroupPolicy,
  type SharedPeer,
  introducedBy,
  parsePeerGroup,
  peerGroupJson,
  sharedWith
} from './peer-group.ts'

const MAX_IDENTITY_BYTES = 16_384
const MAX_DISCONNECT_BYTES = 1_024

export interface ExchangeOptions {
  readonly localPeerId: string
  readonly peerId: string
  readonly policy: IncomingTrustPolicy
  readonly peerGroup: PeerGroupPolicy
  readonly limits: ChannelLimits
  readonly clock: Clock
  readonly logger: Logger
  readonly handlers: PacketHandlers
  readonly dropped: (kind: PacketKind) => void
  /** Takes packets about data. */
  readonly data: (packet: ReceivedPacket) => void
}

/** Everything that is sent in packets, across connections: who may send what, and who handles it. */
export class Exchange {
  readonly #options: ExchangeOptions
  readonly handlers: { -readonly [Kind in keyof PacketHandlers]: PacketHandlers[Kind] | undefined }
  readonly outbox: Outbox
  readonly requests: Requests
  readonly events: Events
  readonly #inbox: PacketInbox<Attachment>
  readonly #rate: TokenBucket
  readonly #raw = new Set<(packet: RawPacket) => void>()
  #readers: Deferred<ChannelMessage>[] = []
  #link: { readonly attachment: Attachment; readonly outboxLink: OutboxLink } | undefined
  identity: JsonObject | undefined

  constructor(options: ExchangeOptions) {
    this.#options = options
    const { limits, peerId, clock, logger } = options
    this.handlers = { ...options.handlers }
    this.outbox = new Outbox(limits)
    this.requests = new Requests({
      peerId,
      clock,
      logger,
      maxHandled: limits.maxHandledRequests,
      maxPending: limits.maxPendingRequests,
      send: (packet, sending) => this.outbox.add(packet, sending)
    })
    this.events = new Events(peerId, logger)
    this.#rate = new TokenBucket({ burst: limits.restrictedBurst, perMinute: limits.restrictedPerMinute }, clock)
    this.#inbox = new PacketInbox({ ...limits, handle: (packet, attachment) => this.#handle(packet, attachment) })
  }

  // What is told in hellos

  continuation(): Pick<Hello, 'received' | 'refused'> {
    return { received: this.#inbox.received, refused: [...this.#inbox.refused] }
  }

  /** Both sides go on where they were. */
  goOn({ received, refused }: Hello): void {
    this.outbox.handled(received, new Map(refused))
  }

  /** The peer knows nothing of what was before. */
  restart(error: Error): void {
    this.#inbox.restart()
    this.outbox.restart(error)
    this.requests.restart(error)
  }

  /** The connection that packets take from now on, or what is known of it, has changed. */
  connect(attachment: Attachment): void {
    const { remote } = attachment
    if (remote === undefined) return
    if (this.#link?.attachment !== attachment) this.#link = { attachment, outboxLink: this.#linkTo(attachment, remote) }
    this.outbox.connect(this.#link.outboxLink)
  }

  disconnect(): void {
    this.#link = undefined
    this.outbox.disconnect()
  }

  close(error: Error): void {
    this.disconnect()
    this.#inbox.restart()
    this.outbox.close(error)
    this.requests.close(error)
    for (const reader of this.#readers) reader.reject(error)
    this.#readers = []
  }

  // Sending

  send(body: ChannelBody, options: SendPacketOptions = {}): Promise<void> {
    return this.outbox.add({ kind: 'message', role: '', name: '', id: '', ...encodeBody(body) }, options)
  }

  emit(name: string, body: ChannelBody, options: SendPacketOptions): Promise<void> {
    return this.outbox.add({ kind: 'message', role: 'event', name, id: '', ...encodeBody(body) }, options)
  }

  sendIdentity(identity: JsonObject, options: SendPacketOptions): Promise<void> {
    const body = jsonBytes(identity)
    if (body.length > MAX_IDENTITY_BYTES)
      throw new TypeError(`The identity has ${body.length} bytes of JSON, ${MAX_IDENTITY_BYTES} are allowed`)
    return this.outbox.add({ kind: 'identity', role: '', name: '', id: '', form: 'json', body }, options)
  }

  async sharePeers(peers: readonly SharedPeer[], options: SendPacketOptions): Promise<number> {
    const { peerId, localPeerId, peerGroup } = this.#options
    const shared = sharedWith(peerId, localPeerId, peers, peerGroup)
    for (let from = 0; from < shared.length; from += MAX_SHARED_PEERS) {
      const body = jsonBytes(peerGroupJson(shared.slice(from, from + MAX_SHARED_PEERS)))
      await this.outbox.add({ kind: 'peer-group', role: '', name: '', id: '', form: 'json', body }, options)
    }
    return shared.length
  }

  /** The next plain message, in place of the handler. */
  nextMessage(signal: AbortSignal | undefined): Promise<ChannelMessage> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    const reader = new Deferred<ChannelMessage>()
    this.#readers.push(reader)
    const onAbort = (): void => {
      this.#readers = this.#readers.filter((other) => other !== reader)
      reader.reject(signal?.reason)
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    return reader.promise.finally(() => signal?.removeEventListener('abort', onAbort))
  }

  onData(listener: (packet: RawPacket) => void): () => void {
    this.#raw.add(listener)
    return () => {
      this.#raw.delete(listener)
    }
  }

  // Receiving

  /** @throws ERR_CHANNEL_PROTOCOL */
  receive(request: IncomingRequest, attachment: Attachment): void {
    this.#inbox.receive(request, attachment)
  }

  /** The peer says that it goes. @returns whether that counts. @throws ERR_CHANNEL_PROTOCOL */
  receiveDisconnect(request: IncomingRequest, attachment: Attachment): boolean {
    const allowed = this.#passes('disconnect', attachment)
    this.#showRaw({ kind: 'disconnect', role: '', name: '', form: 'json', body: request.body, allowed })
    if (!allowed) return false
    const { reason } = parseJsonObject(request.body, MAX_DISCONNECT_BYTES, 'The word of disconnecting')
    const { handlers } = this
    if (handlers.disconnect === undefined) return true
    this.#call(() => handlers.disconnect?.(typeof reason === 'string' ? cutReason(reason) : '', this.#options.peerId))
    return false
  }

  #linkTo(attachment: Attachment, { window, windowBytes, maxPacketBytes }: Hello): OutboxLink {
    return {
      window,
      windowBytes,
      maxPacketBytes,
      admits: (kind) => this.#admits(kind, attachment),
      transmit: (packet, sequence, onReply) => {
        attachment.blip.request({ profile: PACKET, properties: packetProperties(packet, sequence), body: packet.body }, onReply)
      }
    }
  }

  /** Both sides' levels have to allow a kind. */
  #admits(kind: SequencedKind, attachment: Attachment): 'now' | 'later' | Error {
    const { word, standing } = attachment
    const ours = kind === 'message' || packetAllowed(kind, this.#options.policy, standing.level === 'trusted')
    if (!ours && standing.settled)
      return channelErrors.create('ERR_CHANNEL_GATED', `The peer is not trusted, so no ${kind} packets are sent to it`)
    if (word === undefined) return 'later'
    if (word.allows.includes(kind)) return ours ? 'now' : 'later'
    return word.settled ? channelErrors.create('ERR_CHANNEL_REFUSED', `The trust of the peer does not allow ${kind} packets`) : 'later'
  }

  #passes(kind: PacketKind, attachment: Attachment): boolean {
    const { level } = attachment.standing
    return level !== 'blocked' && packetAllowed(kind, this.#options.policy, level === 'trusted')
  }

  /** Never rejects; see {@link PacketInbox}. */
  #handle(packet: ReceivedPacket, attachment: Attachment): number | Promise<number> {
    const { limits, dropped } = this.#options
    const allowed = this.#passes(packet.kind, attachment)
    this.#showRaw({ ...packet, allowed })
    // What is said about transfers that are known was asked for, whatever the peer's level is by now.
    if (!allowed && (packet.kind !== 'data' || packet.role === 'offer')) {
      dropped(packet.kind)
      return 403
    }
    // What is answered in packets is not taken while as many wait as may: who takes none of them must not make them pile up.
    if ((packet.role === 'request' || packet.role === 'offer') && !this.outbox.writable) return 429
    if (attachment.standing.level === 'trusted') return this.#guard(attachment, () => this.#deliver(packet))
    if (packet.body.length > limits.restrictedPacketBytes) return 413
    return this.#guard(attachment, () => (this.#rate.take() ? this.#deliver(packet) : this.#deliverLater(packet)))
  }

  async #deliverLater(packet: ReceivedPacket): Promise<void> {
    const { clock, limits } = this.#options
    do {
      await new Promise<void>((resolve) => {
        clock.after(60_000 / limits.restrictedPerMinute, resolve)
      })
    } while (!this.#rate.take())
    await this.#deliver(packet)
  }

  /** What a packet makes throw is the peer's doing when it says so, and otherwise the handler's. */
  #guard(attachment: Attachment, run: () => void | Promise<void>): number | Promise<number> {
    const failed = (error: unknown): number => {
      if (isKithmeshError(error, 'ERR_CHANNEL_PROTOCOL')) {
        attachment.fail(error)
        return 400
      }
      this.#options.logger.error('The handler of a packet failed', { error })
      return 0
    }
    try {
      const result = run()
      return result instanceof Promise ? result.then(() => 0, failed) : 0
    } catch (error) {
      return failed(error)
    }
  }

  #deliver(packet: ReceivedPacket): void | Promise<void> {
    const { peerId, localPeerId, peerGroup, data } = this.#options
    if (packet.kind === 'data') return data(packet)
    const { handlers } = this
    if (packet.kind === 'identity') {
      this.identity = parseJsonObject(packet.body, MAX_IDENTITY_BYTES, 'The identity')
      return handlers.identity?.(this.identity, peerId)
    }
    if (packet.kind === 'peer-group') {
      const told = parsePeerGroup(parseJsonObject(packet.body, packet.body.length, 'The peer group'))
      const believed = introducedBy(peerId, localPeerId, told, peerGroup)
      return believed.length === 0 ? undefined : handlers.peerGroup?.(believed, peerId)
    }
    if (packet.role === 'event') return this.events.receive(packet.name, decodeBody(packet))
    if (packet.role !== '') return this.requests.receive(packet)
    const message: ChannelMessage = { peerId, form: packet.form, body: decodeBody(packet) }
    const reader = this.#readers.shift()
    if (reader !== undefined) reader.resolve(message)
    else return handlers.message?.(message)
  }

  #showRaw(packet: Omit<RawPacket, 'peerId'>): void {
    if (this.#raw.size === 0) return
    const { kind, role, name, form, body, allowed } = packet
    const raw: RawPacket = { peerId: this.#options.peerId, kind, role, name, form, body, allowed }
    for (const listener of [...this.#raw])
      this.#call(() => {
        listener(raw)
      })
  }

  #call(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.#options.logger.error('A listener of packets failed', { error })
    }
  }
}
