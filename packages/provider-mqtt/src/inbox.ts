import { type ProviderContext, type SignalingChannel, TokenBucket, unlessAborted } from '@kithmesh/core/plugin'
import { Admission } from './admission.ts'
import type { BrokerLink } from './broker-link.ts'
import { mqttErrors } from './errors.ts'
import { wrapBytes } from './group.ts'
import type { Group } from './group.ts'
import type { KnownSignatories, Signer } from './identity-signature.ts'
import { fromKnownSender, maxLetterBytes, openLetter, sealLetter } from './letter.ts'
import type { InboxAddress, Letter } from './letter.ts'
import type { CheckedOptions } from './options.ts'
import { brokerOrder } from './rendezvous.ts'
import { ReplayGuard } from './replay-guard.ts'
import { Opener, Sealer } from './sealing.ts'
import type { InboxKeys } from './sealing.ts'

/** How many times one sender's share is taken of all who were heard before, and of all others together. */
const knownShares = 10
const unknownShares = 2.5
/** How many seconds' worth may come at once. */
const burstSeconds = 3
/** How long a sender that publishes nothing can be answered. */
const replyMs = 120_000
const maxReplyAddresses = 512
/** Letters that wait for the authenticator's verdict. */
const maxUndecided = 256
const rememberedLetters = 1024

/** What the inbox needs of the connections there are. */
export interface Post {
  readonly keys: InboxKeys
  readonly inboxTags: readonly string[]
  readonly connected: readonly BrokerLink[]
}

export interface InboxOptions {
  readonly context: ProviderContext
  readonly options: CheckedOptions
  readonly group: Group
  readonly signer: Signer
  readonly known: KnownSignatories
  /** Undefined while neither browsing nor publishing. */
  readonly post: () => Post | undefined
  /** Where a device reads its messages, as its presence tells. */
  readonly addressOf: (peerId: string) => InboxAddress | undefined
}

/** The signalling channel: letters to the inbox topics of others, and those that arrive on ours. */
export class Inbox implements SignalingChannel {
  readonly #options: InboxOptions
  readonly #sealer = new Sealer()
  readonly #admission: Admission
  readonly #guard: ReplayGuard
  readonly #receivers = new Set<(fromPeerId: string, message: Uint8Array) => void>()
  readonly #replyTo = new Map<string, InboxAddress & { readonly until: number }>()
  readonly #seen = new Set<string>()
  readonly #senders = new Map<string, TokenBucket>()
  readonly #known: TokenBucket
  readonly #unknown: TokenBucket
  readonly #told = new Set<string>()
  #opener: { readonly keys: InboxKeys; readonly opener: Opener } | undefined
  #undecided = 0

  constructor(options: InboxOptions) {
    this.#options = options
    const { clock, logger } = options.context
    this.#admission = new Admission(options.options.authenticator, clock, logger)
    this.#guard = new ReplayGuard(options.options.clockSkewMs)
    this.#known = this.#bucket(knownShares)
    this.#unknown = this.#bucket(unknownShares)
  }

  reaches(peerId: string): boolean {
    return (this.#options.post()?.connected.length ?? 0) > 0 && this.#addressOf(peerId) !== undefined
  }

  onMessage(receive: (fromPeerId: string, message: Uint8Array) => void): () => void {
    const own = (fromPeerId: string, message: Uint8Array): void => {
      receive(fromPeerId, message)
    }
    this.#receivers.add(own)
    return () => {
      this.#receivers.delete(own)
    }
  }

  async send(toPeerId: string, message: Uint8Array, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    signal.throwIfAborted()
    const { context, group, signer } = this.#options
    const post = this.#options.post()
    if (post === undefined) throw mqttErrors.create('ERR_MQTT_STOPPED', 'The provider does not run')
    const address = this.#addressOf(toPeerId)
    if (address === undefined) throw mqttErrors.create('ERR_MQTT_UNKNOWN_PEER', `The device ${toPeerId.slice(0, 16)} is not here`)
    const sealed = sealLetter(
      signer,
      this.#sealer,
      { group: group.id, toPeerId, toKey: address.key },
      {
        body: message,
        replyTo: { key: post.keys.publicKey, tags: post.inboxTags },
        now: context.clock.now(),
        monotonic: context.clock.monotonic()
      }
    )
    const topic = group.inboxTopic(toPeerId)
    await unlessAborted(signal, this.#post(post, toPeerId, address, topic, group.wrap(topic, sealed)))
  }

  /** Something arrived on our inbox topic. */
  receive(topic: string, payload: Buffer): void {
    const { context, group, signer, known } = this.#options
    const post = this.#options.post()
    if (post === undefined || this.#receivers.size === 0 || payload.length > maxLetterBytes + wrapBytes) return
    const bytes = group.unwrap(topic, payload)
    if (bytes === undefined) return
    const print = bytes.subarray(0, 48).toString('base64')
    if (this.#seen.has(print)) return
    if (this.#opener?.keys !== post.keys) this.#opener = { keys: post.keys, opener: new Opener(post.keys) }
    const { opener } = this.#opener
    if (!(fromKnownSender(bytes, opener) ? this.#known : this.#unknown).take()) return
    let letter: Letter
    try {
      letter = openLetter(bytes, { group: group.id, toPeerId: signer.peerId, toKey: post.keys.publicKey }, opener, known)
    } catch (error) {
      context.logger.debug('A message was dropped', { error })
      return
    }
    this.#seen.add(print)
    if (this.#seen.size > rememberedLetters) this.#seen.delete(this.#seen.values().next().value as string)
    this.#accept(letter)
  }

  #accept(letter: Letter): void {
    const { peerId } = letter.sender
    if (peerId === this.#options.signer.peerId) return
    if (!this.#bucketOf(peerId).take()) return
    if (this.#undecided >= maxUndecided) return
    this.#undecided++
    // Strangers come first to the authenticator, so that they take no place among the senders whose messages are remembered.
    void this.#admission.admits(letter.sender).then((admitted) => {
      this.#undecided--
      if (admitted && this.#isFresh(letter)) this.#deliver(letter)
    })
  }

  #isFresh({ sender: { peerId }, id, time }: Letter): boolean {
    const { clock, logger } = this.#options.context
    const refused = this.#guard.refuse(peerId, id, time, clock.now())
    if (refused === undefined) return true
    const differenceMs = clock.now() - time
    if (Math.abs(differenceMs) > this.#options.options.clockSkewMs && !this.#told.has(peerId) && this.#told.size < 1000) {
      this.#told.add(peerId)
      logger.warn('Messages of a device are not taken: its clock, or that of this one, is wrong', { peerId, differenceMs })
    } else logger.debug('A message was dropped', { peerId, reason: refused })
    return false
  }

  #deliver({ sender: { peerId }, replyTo, body, remember }: Letter): void {
    const { clock, logger } = this.#options.context
    remember()
    this.#replyTo.delete(peerId)
    this.#replyTo.set(peerId, { ...replyTo, until: clock.monotonic() + replyMs })
    if (this.#replyTo.size > maxReplyAddresses) this.#replyTo.delete(this.#replyTo.keys().next().value as string)
    for (const receive of [...this.#receivers]) {
      try {
        receive(peerId, body)
      } catch (error) {
        logger.error('A receiver of messages failed', { error, peerId })
      }
    }
  }

  /** What a device said last in a letter is newer than its presence, or it has none. */
  #addressOf(peerId: string): InboxAddress | undefined {
    const reply = this.#replyTo.get(peerId)
    if (reply !== undefined && reply.until > this.#options.context.clock.monotonic()) return reply
    return this.#options.addressOf(peerId)
  }

  /** A presence that is gone, or names another address than the one before, is newer than what a letter said. */
  forgetReplyAddress(peerId: string): void {
    this.#replyTo.delete(peerId)
  }

  #bucket(shares: number): TokenBucket {
    const perSecond = shares * this.#options.options.messagesPerSecond
    return new TokenBucket({ burst: burstSeconds * perSecond, perMinute: 60 * perSecond }, this.#options.context.clock)
  }

  #bucketOf(peerId: string): TokenBucket {
    let bucket = this.#senders.get(peerId)
    if (bucket === undefined) {
      if (this.#senders.size >= 1024) for (const [id, other] of this.#senders) if (other.full) this.#senders.delete(id)
      bucket = this.#bucket(1)
      this.#senders.set(peerId, bucket)
    }
    return bucket
  }

  /**
   * To the best brokers where the device reads, at once: the receiver takes the first and drops the others. When those say that nobody
   * reads there, to the ones left.
   */
  async #post({ connected }: Post, toPeerId: string, { tags }: InboxAddress, topic: string, payload: Buffer): Promise<void> {
    const order = brokerOrder(
      toPeerId,
      connected.map(({ tag }) => tag)
    )
    if (order.length === 0) throw mqttErrors.create('ERR_MQTT_NO_BROKER', 'No broker is connected')
    const named = order.filter((tag) => tags.includes(tag))
    // Others make up for those that are not connected: they come next in the order of the recipient, too.
    const first = [...named, ...order.filter((tag) => !tags.includes(tag))].slice(0, this.#options.options.inboxBrokers)
    const errors: unknown[] = []
    for (const group of [first, order.filter((tag) => !first.includes(tag))]) {
      const sent = group.map(async (tag) => {
        const link = connected.find((one) => one.tag === tag)
        const heard = await link?.session?.publish(topic, payload, { expirySeconds: Math.ceil(this.#options.options.clockSkewMs / 1000) })
        if (heard !== true) throw mqttErrors.create('ERR_MQTT_UNKNOWN_PEER', `The device does not listen on ${link?.id}`)
      })
      try {
        await Promise.any(sent)
        return
      } catch (error) {
        errors.push(...(error as AggregateError).errors)
      }
    }
    const [cause] = errors
    throw cause instanceof Error ? cause : mqttErrors.create('ERR_MQTT_NO_BROKER', 'No broker took the message', { cause })
  }
}
