import { randomBytes } from 'node:crypto'
import type { IncomingRequest } from '@kithmesh/blip'
import { isPeerId, silentLogger, systemClock } from '@kithmesh/core'
import { checkPositive, ObserverSet } from '@kithmesh/core/plugin'
import { Attachment, PERMANENT } from './connection/attachment.ts'
import type { AttachmentOwner, ChannelSettings } from './connection/attachment-owner.ts'
import type { Hello } from './connection/hello.ts'
import type { Standing } from './connection/negotiation.ts'
import { cutReason } from './connection/trust-word.ts'
import type {
  AttachOptions,
  ChannelAttachment,
  ChannelObserver,
  ChannelStatistics,
  HandshakeVerdict,
  PeerChannel,
  PeerChannelOptions
} from './contracts.ts'
import { dataRefusal } from './data/gate.ts'
import { channelErrors } from './errors.ts'
import { checkLimits } from './limits.ts'
import { Messaging } from './messaging.ts'
import { CHANNEL_DOMAIN } from './profiles.ts'

/**
 * Makes the channel of one peer. It holds no connection until one is attached, and no timers while it has none.
 * @throws TypeError for options that cannot be meant
 */
export function createPeerChannel(options: PeerChannelOptions): PeerChannel {
  return new Channel(options)
}

class Channel extends Messaging implements PeerChannel, AttachmentOwner {
  readonly settings: ChannelSettings
  readonly #observers: ObserverSet<ChannelObserver>
  readonly #attachments = new Set<Attachment>()
  /** The one that packets take. */
  #current: Attachment | undefined
  #told = { connected: false, trust: '' }
  #peerSession: string | undefined
  #handshake: Promise<HandshakeVerdict> | undefined
  proven = false
  decision: Standing | undefined
  decisionReason: string | undefined
  #dropped = 0
  #droppedControls = 0
  #violations = 0

  constructor(options: PeerChannelOptions) {
    const { localPeerId, peerId, policy = {}, peerGroup = {}, handlers = {}, clock = systemClock, logger = silentLogger } = options
    if (!isPeerId(localPeerId) || !isPeerId(peerId)) throw new TypeError('A peer id is 64 lowercase hex digits')
    const session = Buffer.from((options.randomBytes ?? randomBytes)(16)).toString('hex')
    const { trust = {} } = options
    checkPositive(trust, 'handshakeTimeLimitMs')
    const settings = { localPeerId, peerId, session, policy, trust, limits: checkLimits(options.limits), clock, logger }
    super({
      ...settings,
      peerGroup,
      handlers,
      dropped: (kind) => {
        this.#dropped++
        this.#observers.notify('dropped', kind)
      },
      current: () => this.#current,
      isOfPresent: (attachment) => this.#isOfPresent(attachment)
    })
    this.settings = settings
    this.#observers = new ObserverSet(logger)
  }

  get localPeerId(): string {
    return this.settings.localPeerId
  }

  get peerId(): string {
    return this.settings.peerId
  }

  get level() {
    return this.#current?.standing.level ?? this.decision?.level ?? 'restricted'
  }

  get mutual(): boolean {
    return this.#current?.mutual ?? false
  }

  get connected(): boolean {
    return this.#current?.remote !== undefined
  }

  get statistics(): ChannelStatistics {
    return { dropped: this.#dropped, droppedControls: this.#droppedControls, violations: this.#violations }
  }

  attach(options: AttachOptions): ChannelAttachment {
    if (options.binding.length !== 32) throw new TypeError('The binding of a connection has 32 bytes')
    this.checkOpen()
    if (this.decision?.level === 'blocked') throw channelErrors.create('ERR_CHANNEL_CLOSED', 'The peer is blocked')
    const attachment = new Attachment(this, options)
    attachment.begin()
    this.#attachments.add(attachment)
    return attachment
  }

  elevate(): void {
    if (this.#elevateForHandshake(true)) return
    this.#decide({ level: 'trusted', settled: true }, undefined)
  }

  demote(reason: string, level: 'restricted' | 'blocked' = 'restricted'): void {
    if (level === 'restricted' && this.#elevateForHandshake(false)) return
    this.proven = false
    this.#decide({ level, settled: true }, cutReason(reason))
    if (level === 'blocked') for (const attachment of [...this.#attachments]) attachment.leave(this.decisionReason ?? '', PERMANENT)
  }

  observe(observer: ChannelObserver): () => void {
    return this.#observers.add(observer)
  }

  disconnect(reason = ''): void {
    for (const attachment of [...this.#attachments]) attachment.leave(cutReason(reason))
  }

  close(reason = ''): void {
    if (this.closed) return
    this.disconnect(reason)
    this.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  // AttachmentOwner

  continuation(): Pick<Hello, 'peer' | 'received' | 'refused'> {
    return { peer: this.#peerSession, ...this.exchange.continuation() }
  }

  proved(): void {
    this.proven = true
  }

  runHandshake(signal: AbortSignal): Promise<HandshakeVerdict> {
    // Packets belong to both programs and not to one connection of theirs, and so does the handshake.
    this.#handshake ??= (async () => (await this.settings.trust.handshake?.(this, { signal })) ?? false)().finally(() => {
      this.#handshake = undefined
    })
    return this.#handshake
  }

  met(attachment: Attachment, remote: Hello): boolean {
    // Its hello may be older than what both know meanwhile by another connection: a session that is known goes on.
    const continued = remote.session === this.#peerSession
    if (!continued) this.restart()
    else if (remote.peer === this.settings.session) this.exchange.goOn(remote)
    this.#peerSession = remote.session
    this.#current = attachment
    return continued
  }

  changed(attachment: Attachment): void {
    if (attachment === this.#current) {
      this.exchange.connect(attachment)
      const error = dataRefusal(attachment, this.settings.policy)
      if (error !== undefined) this.fileTransfers.revoked(error)
      this.fileTransfers.connectionChanged()
    }
    if (attachment === this.#current || this.#current === undefined) this.#notify()
  }

  ended(attachment: Attachment): void {
    this.#attachments.delete(attachment)
    if (this.#current !== attachment) return
    this.#current = [...this.#attachments].findLast(({ remote }) => remote?.session === this.#peerSession)
    if (this.#current === undefined) this.exchange.disconnect()
    else this.exchange.connect(this.#current)
    this.fileTransfers.connectionChanged()
    this.#notify()
  }

  violated(error: Error): void {
    this.#violations++
    this.#observers.notify('violated', error)
  }

  droppedControl(): void {
    this.#droppedControls++
    this.#observers.notify('dropped', 'control')
  }

  packet(attachment: Attachment, request: IncomingRequest): void {
    if (this.#isOfPresent(attachment)) this.exchange.receive(request, attachment)
    else request.respondError(CHANNEL_DOMAIN, 409)
  }

  pull(attachment: Attachment, request: IncomingRequest): void {
    this.fileTransfers.pull(request, attachment)
  }

  disconnecting(attachment: Attachment, request: IncomingRequest): void {
    if (this.exchange.receiveDisconnect(request, attachment)) attachment.blip.close()
  }

  /** Whether it leads to the program that is the peer now: what an earlier one sent has numbers of its own. */
  #isOfPresent({ remote }: Attachment): boolean {
    return remote !== undefined && remote.session === this.#peerSession
  }

  /** Whether a handshake runs, which this is for then. */
  #elevateForHandshake(elevated: boolean): boolean {
    const handshaking = [...this.#attachments].filter((attachment) => attachment.handshaking)
    for (const attachment of handshaking) attachment.elevateForHandshake(elevated)
    return handshaking.length > 0
  }

  #decide(decision: Standing, reason: string | undefined): void {
    this.decision = decision
    this.decisionReason = reason
    for (const attachment of [...this.#attachments]) attachment.standingChanged()
    this.#notify()
  }

  #notify(): void {
    const { connected, level, mutual } = this
    const word = this.#current?.word
    const trust = JSON.stringify({ level, mutual, word })
    if (connected !== this.#told.connected) this.#observers.notify('connectedChanged', connected)
    if (trust !== this.#told.trust) this.#observers.notify('trustChanged', { level, word, mutual })
    this.#told = { connected, trust }
  }
}
