import type { IncomingRequest } from '@kithmesh/blip'
import type { Clock, Logger } from '@kithmesh/core'
import type { Attachment } from '../connection/attachment.ts'
import { cutReason } from '../connection/trust-word.ts'
import { channelErrors } from '../errors.ts'
import { type JsonObject, jsonBytes, parseJsonObject } from '../json.ts'
import { type ChannelLimits, MAX_OFFER_BYTES, MAX_PULLS } from '../limits.ts'
import type { SendPacketOptions } from '../packets/outbox.ts'
import type { Packet, ReceivedPacket } from '../packets/packet.ts'
import { CHANNEL_DOMAIN } from '../profiles.ts'
import type { DataOffer, OfferOptions, SendFileOptions, SendStreamOptions, Transfer } from './contracts.ts'
import { IncomingTransfer, type OpenSink } from './incoming.ts'
import { Offer, type OfferOwner } from './offer.ts'
import { OutgoingTransfer } from './outgoing.ts'
import { safeName } from './safe-name.ts'
import { type ChunkSource, FileSource, StreamSource } from './sources.ts'
import { readOffer, readPull } from './wire.ts'

/** Decides about what a peer offers. */
export type DataHandler = (offer: DataOffer) => void | Promise<void>

export interface TransfersOptions {
  readonly peerId: string
  readonly limits: ChannelLimits
  readonly clock: Clock
  readonly logger: Logger
  readonly handler: () => DataHandler | undefined
  readonly send: (packet: Packet, options?: SendPacketOptions) => Promise<void>
  /** The connection over which to ask, while both sides' trust allows data. */
  readonly connection: () => Attachment | undefined
  /** Whether the peer may have what was offered to it. */
  readonly serves: (attachment: Attachment) => boolean
}

/** All files and streams of a channel, in both directions. */
export class Transfers implements OfferOwner {
  readonly #options: TransfersOptions
  readonly peerId: string
  readonly partsInUse = new Set<string>()
  readonly #outgoing = new Map<string, OutgoingTransfer>()
  readonly #offers = new Map<string, Offer>()
  readonly #incoming = new Map<string, IncomingTransfer>()
  /** Taken, and waiting for their turn. */
  #waiting: IncomingTransfer[] = []
  #receiving = new Set<IncomingTransfer>()
  #lastId = 0

  constructor(options: TransfersOptions) {
    this.#options = options
    this.peerId = options.peerId
  }

  get all(): readonly Transfer[] {
    return [...this.#outgoing.values(), ...this.#incoming.values()]
  }

  sendFile(path: string, { digest = 'ahead', name = path, ...rest }: SendFileOptions): Transfer {
    return this.#send(new FileSource(path, digest === 'ahead'), safeName(name), rest)
  }

  sendStream(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, { size, name = 'stream', ...rest }: SendStreamOptions): Transfer {
    const { chunkBytes, chunksAhead } = this.#options.limits
    return this.#send(new StreamSource(source, size, chunkBytes * chunksAhead), safeName(name), rest)
  }

  /** A packet about data. @throws ERR_CHANNEL_PROTOCOL */
  receive(packet: ReceivedPacket): void {
    const { role, id } = packet
    const facts = parseJsonObject(packet.body, MAX_OFFER_BYTES, 'A packet about data')
    const reason = typeof facts['reason'] === 'string' ? cutReason(facts['reason']) : ''
    if (role === 'offer') this.#offered(id, facts)
    else if (role === 'done') this.#outgoing.get(id)?.done(facts)
    else if (role === 'refused') {
      const transfer = this.#outgoing.get(id)
      const code = transfer?.state === 'active' ? 'ERR_CHANNEL_TRANSFER_CANCELLED' : 'ERR_CHANNEL_TRANSFER_REFUSED'
      transfer?.fail(channelErrors.create(code, `The peer does not take it: ${reason}`))
    } else if (role === 'withdrawn') {
      const error = channelErrors.create('ERR_CHANNEL_TRANSFER_CANCELLED', `The peer cancelled the transfer: ${reason}`)
      this.#offers.get(id)?.withdraw(error)
      this.#offers.delete(id)
      this.#incoming.get(id)?.fail(error)
    }
  }

  /** The peer asks for more of what was offered to it. @throws ERR_CHANNEL_PROTOCOL */
  pull(request: IncomingRequest, attachment: Attachment): void {
    const facts = readPull(request)
    const transfer = this.#outgoing.get(facts.id)
    if (!this.#options.serves(attachment)) request.respondError(CHANNEL_DOMAIN, 403)
    else if (transfer === undefined) request.respondError(CHANNEL_DOMAIN, 404)
    else if (this.#pulls >= 2 * MAX_PULLS) request.respondError(CHANNEL_DOMAIN, 429)
    else transfer.pull(facts, request, () => !attachment.ended)
  }

  /** The connection, or what trust allows over it, has changed. */
  connectionChanged(): void {
    for (const transfer of this.#receiving) transfer.connected()
  }

  /** Trust does not allow data any more. */
  revoked(error: Error): void {
    for (const transfer of this.#outgoing.values()) if (transfer.offered) transfer.fail(error)
    for (const transfer of [...this.#incoming.values()]) transfer.fail(error)
    this.#dropOffers(error)
  }

  /** The peer's program is another one. */
  restart(error: Error): void {
    // Offers that never left go to the new one; those without an acknowledgement are rejected with their packets.
    this.revoked(error)
  }

  close(error: Error): void {
    for (const transfer of [...this.#outgoing.values(), ...this.#incoming.values()]) transfer.fail(error)
    this.#dropOffers(error)
  }

  // OfferOwner

  take({ id, facts, signal }: Offer, open: (signal: AbortSignal) => Promise<OpenSink>): Transfer {
    const { peerId, limits, clock, logger, connection } = this.#options
    this.#offers.delete(id)
    const transfer = new IncomingTransfer({
      id,
      peerId,
      facts,
      limits,
      clock,
      logger,
      open,
      connection,
      done: (bytes, sha256) => {
        this.#tell('done', id, { bytes, sha256 })
      },
      refuse: (reason) => {
        this.#tell('refused', id, { reason })
      },
      ended: (ended) => {
        if (this.#incoming.get(id) === ended) this.#incoming.delete(id)
        this.#receiving.delete(ended)
        this.#waiting = this.#waiting.filter((other) => other !== ended)
        this.#startNext()
      }
    })
    if (signal.aborted) {
      transfer.fail(signal.reason as Error)
      return transfer
    }
    this.#incoming.set(id, transfer)
    this.#waiting.push(transfer)
    this.#startNext()
    return transfer
  }

  refuse({ id }: Offer, reason: string): void {
    this.#offers.delete(id)
    this.#tell('refused', id, { reason: cutReason(reason) })
  }

  get #pulls(): number {
    let count = 0
    for (const { waiting } of this.#outgoing.values()) count += waiting
    return count
  }

  #startNext(): void {
    while (this.#receiving.size < this.#options.limits.maxReceiving) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#receiving.add(next)
      void next.start()
    }
  }

  #send(source: ChunkSource, name: string, { contentType, info, signal }: OfferOptions): Transfer {
    const { peerId, clock, logger, limits, send } = this.#options
    const facts: JsonObject = { name, ...(contentType === undefined ? {} : { type: contentType }), ...(info === undefined ? {} : { info }) }
    if (jsonBytes(facts).length > MAX_OFFER_BYTES - 256) throw new TypeError(`An offer has at most ${MAX_OFFER_BYTES - 256} bytes of JSON`)
    if (this.#outgoing.size >= limits.maxOffers)
      throw channelErrors.create('ERR_CHANNEL_FULL', `${this.#outgoing.size} files or streams are offered to the peer already`)
    const id = String(++this.#lastId)
    const transfer = new OutgoingTransfer({
      id,
      peerId,
      name,
      facts,
      source,
      clock,
      logger,
      signal,
      offer: (offered, sending) =>
        send({ kind: 'data', role: 'offer', name: '', id, form: 'json', body: jsonBytes(offered) }, { signal: sending }),
      withdraw: (reason) => {
        this.#tell('withdrawn', id, { reason })
      },
      ended: () => {
        this.#outgoing.delete(id)
      }
    })
    if (!transfer.over) this.#outgoing.set(id, transfer)
    return transfer
  }

  #offered(id: string, facts: JsonObject): void {
    const { logger, handler, limits } = this.#options
    if (!/^[!-~]{1,64}$/.test(id) || this.#offers.has(id) || this.#incoming.has(id))
      throw channelErrors.create('ERR_CHANNEL_PROTOCOL', 'An offer has no id of its own')
    const offer = new Offer(id, readOffer(facts), this)
    const decide = handler()
    if (decide === undefined || this.#offers.size + this.#incoming.size >= limits.maxOffers) {
      offer.refuse(decide === undefined ? 'nothing is taken here' : 'too much is offered')
      return
    }
    this.#offers.set(id, offer)
    // The decision may take a person; what the peer says meanwhile is not held up.
    void (async () => decide(offer))().catch((error: unknown) => {
      logger.error('The handler of an offer failed', { name: offer.name, error })
      if (offer.open) offer.refuse('an error')
    })
  }

  #dropOffers(error: Error): void {
    for (const offer of this.#offers.values()) offer.withdraw(error)
    this.#offers.clear()
  }

  #tell(role: string, id: string, facts: JsonObject): void {
    this.#options
      .send({ kind: 'data', role, name: '', id, form: 'json', body: jsonBytes(facts) }, { always: true })
      .catch((error: unknown) => {
        this.#options.logger.debug('The peer could not be told about a transfer', { role, error })
      })
  }
}
