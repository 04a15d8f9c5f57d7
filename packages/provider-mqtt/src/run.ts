import { randomBytes } from 'node:crypto'
import { type Metadata, type ProviderContext, type PublishOptions, TokenBucket } from '@kithmesh/core/plugin'
import { BrokerLink } from './broker-link.ts'
import type { Group } from './group.ts'
import type { Signer } from './identity-signature.ts'
import { LinkSync } from './link-sync.ts'
import type { WantedState } from './link-sync.ts'
import type { CheckedOptions } from './options.ts'
import { OwnPresence } from './own-presence.ts'
import { Readiness } from './readiness.ts'
import { brokerOrder } from './rendezvous.ts'
import { createInboxKeys } from './sealing.ts'
import type { InboxKeys } from './sealing.ts'
import type { Statement } from './presence-statement.ts'

/** For taking a presence back from all brokers. */
const withdrawMs = 2000
/** How long the inbox is still read on a broker that is no longer among the best: others learn of it later, and the new one may die at once. */
const lingerMs = 30_000
/** How often something on our own topic may make us publish again, per second. */
const repairs = { burst: 3, perMinute: 12 }

export interface RunOptions {
  readonly context: ProviderContext
  readonly options: CheckedOptions
  readonly group: Group
  readonly signer: Signer
  /** Later than that of any run before. */
  readonly startedAt: number
  /** Something arrived on a topic of the group. */
  readonly message: (link: BrokerLink, topic: string, payload: Buffer, retained: boolean) => void
  /** A broker came, went, or has what it should have. */
  readonly changed: () => void
}

/** One life of this device on its brokers, from the first mode that starts to the last one that stops: an epoch, an inbox key, connections. */
export class Run {
  readonly keys: InboxKeys = createInboxKeys()
  readonly presence: OwnPresence
  readonly #options: RunOptions
  readonly #syncs: readonly LinkSync[]
  readonly #ready: Readiness
  readonly #repairs: TokenBucket
  #browsing = false
  #publication: PublishOptions | undefined
  #version = 0
  #inboxTags: readonly string[] = []
  /** Until when the inbox is read on a broker that is no longer named. */
  readonly #lingering = new Map<string, number>()
  #ends: (() => void)[] = []
  #stopped: Promise<void> | undefined

  constructor(run: RunOptions) {
    this.#options = run
    const { context, options, group, signer, startedAt } = run
    const { clock, logger } = context
    this.#repairs = new TokenBucket(repairs, clock)
    this.presence = new OwnPresence({
      signer,
      group,
      startedAt,
      inboxKey: this.keys.publicKey,
      ttlMs: options.presenceTtlMs,
      clockSkewMs: options.clockSkewMs
    })
    // 23 letters and digits: what every broker of MQTT 3.1.1 has to accept (§3.1.3.1). The same for all connections of a run, so that a new
    // one ends the old one at the broker.
    const clientId = `k${randomBytes(11).toString('hex')}`
    this.#syncs = options.brokers.map((broker) => {
      const link = new BrokerLink({
        broker,
        clock,
        logger,
        clientId,
        connectTimeoutMs: options.connectTimeoutMs,
        keepAliveSeconds: options.keepAliveSeconds,
        reconnectMs: options.reconnectMs,
        random: Math.random,
        will: (tag, number) => this.presence.will({ tag, number }),
        message: run.message,
        changed: () => {
          this.#linkChanged()
        }
      })
      return new LinkSync(
        link,
        logger,
        () => this.#wanted(link),
        () => {
          this.#notify()
        }
      )
    })
    this.#ready = new Readiness(this.#syncs)
  }

  get links(): readonly BrokerLink[] {
    return this.#syncs.map(({ link }) => link)
  }

  /** Links with a connection. */
  get connected(): readonly BrokerLink[] {
    return this.links.filter(({ session }) => session !== undefined)
  }

  /** The brokers on which this device reads its inbox now. */
  get inboxTags(): readonly string[] {
    return this.#inboxTags
  }

  /** Whether presence arrives from some broker. */
  get browses(): boolean {
    return this.#browsing && this.#syncs.some((sync) => sync.reads(this.#options.group.presenceFilter))
  }

  /** Whether some broker has the presence. */
  get publishes(): boolean {
    return this.#publication !== undefined && this.#syncs.some(({ published }) => published >= 0)
  }

  start(): void {
    const { context, options } = this.#options
    this.#ends = [
      context.clock.every(options.presenceTtlMs / 3, () => {
        this.#publishAgain()
      }),
      context.network.onChange(() => {
        this.#publishAgain()
      })
    ]
    for (const { link } of this.#syncs) link.start()
  }

  /** Ends all connections with a goodbye. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= (async () => {
      for (const end of this.#ends) end()
      this.#publication = undefined
      this.#browsing = false
      this.#ready.stop()
      await Promise.all(this.links.map((link) => link.stop()))
    })()
    return this.#stopped
  }

  /** Resolves when one broker reads presence for us. @throws ERR_MQTT_NO_BROKER, ERR_MQTT_STOPPED, the signal's reason */
  async browse(signal: AbortSignal): Promise<void> {
    this.#browsing = true
    this.#syncAll()
    await this.#ready.until(() => this.browses, signal)
  }

  endBrowsing(): void {
    this.#browsing = false
    this.#syncAll()
  }

  /** Resolves when one broker has the presence. @throws ERR_MQTT_TOO_LARGE, and as {@link browse} */
  async publish(publication: PublishOptions, signal: AbortSignal): Promise<void> {
    this.#tryOut(publication)
    this.#publication = publication
    this.#version++
    this.#syncAll()
    const version = this.#version
    await this.#ready.until(() => this.#syncs.some(({ published }) => published >= version), signal)
  }

  /** Resolves when one broker has it, or at once when none is connected: then it is published as soon as one is. */
  async updateMetadata(metadata: Metadata, signal: AbortSignal): Promise<void> {
    if (this.#publication === undefined) return
    const publication = { ...this.#publication, metadata }
    if (this.connected.length > 0) await this.publish(publication, signal)
    else {
      this.#tryOut(publication)
      this.#publication = publication
      this.#version++
    }
  }

  /** Takes the presence back from every broker that can be reached within two seconds. */
  async withdraw(): Promise<void> {
    if (this.#publication === undefined) return
    this.#publication = undefined
    const gone = this.presence.gone()
    const withdrawn = this.connected.map(async ({ session }) => {
      await session?.publish(this.presence.topic, gone)
      await session?.publish(this.presence.topic, Buffer.alloc(0), { retain: true })
    })
    let cancel = (): void => {}
    const deadline = new Promise<void>((resolve) => {
      cancel = this.#options.context.clock.after(withdrawMs, resolve)
    })
    await Promise.race([Promise.allSettled(withdrawn), deadline])
    cancel()
    this.#syncAll()
  }

  /** What was seen on our own presence topic; undefined when it was cleared. */
  ownTopic(link: BrokerLink, statement: Statement | undefined, retained: boolean): void {
    if (this.#publication === undefined) return
    const { clock, logger } = this.#options.context
    const via = { tag: link.tag, number: link.connectionNumber }
    const verdict = statement === undefined ? 'publish again' : this.presence.judge(statement, retained, via, clock.now())
    if (verdict === 'fine' || !this.#repairs.take()) return
    if (verdict === 'another program') logger.warn('Another program publishes with the identity of this one; devices see only one of them')
    this.#publishAgain()
  }

  #linkChanged(): void {
    const { options, signer } = this.#options
    const tags = brokerOrder(
      signer.peerId,
      this.connected.map(({ tag }) => tag)
    ).slice(0, options.inboxBrokers)
    if (tags.join() !== this.#inboxTags.join()) {
      const until = this.#options.context.clock.monotonic() + lingerMs
      for (const tag of this.#inboxTags) this.#lingering.set(tag, until)
      this.#inboxTags = tags
      this.#version++
    }
    this.#syncAll()
    this.#notify()
  }

  #wanted(link: BrokerLink): WantedState {
    const { group, signer, options } = this.#options
    if (this.#stopped !== undefined) return { topics: new Set(), publication: undefined }
    const publication = this.#publication
    const topics = new Set<string>()
    const lingers = (this.#lingering.get(link.tag) ?? -Infinity) > this.#options.context.clock.monotonic()
    if (lingers || this.#inboxTags.includes(link.tag)) topics.add(group.inboxTopic(signer.peerId))
    if (this.#browsing) topics.add(group.presenceFilter)
    else if (publication !== undefined) topics.add(this.presence.topic)
    return {
      topics,
      publication:
        publication === undefined
          ? undefined
          : {
              version: this.#version,
              topic: this.presence.topic,
              settings: { retain: true, expirySeconds: Math.ceil(options.presenceTtlMs / 1000) },
              encode: () => this.#encode(publication, { tag: link.tag, number: link.connectionNumber })
            }
    }
  }

  #encode(publication: PublishOptions, via: { readonly tag: string; readonly number: number }): Buffer {
    const { clock, network } = this.#options.context
    return this.presence.presence(via, publication, network.current, this.#inboxTags, clock.now())
  }

  /** @throws ERR_MQTT_TOO_LARGE before anything is changed */
  #tryOut(publication: PublishOptions): void {
    this.#encode(publication, { tag: '0'.repeat(16), number: 0 })
  }

  #publishAgain(): void {
    if (this.#publication === undefined) return
    this.#version++
    this.#syncAll()
  }

  #syncAll(): void {
    for (const sync of this.#syncs) sync.run()
  }

  #notify(): void {
    this.#ready.check()
    this.#options.changed()
  }
}
