import { checkInteger, coreErrors, limitedSignal, unlessAborted, withDeadline } from '@kithmesh/core/plugin'
import type {
  Metadata,
  PeerDiscoveryProvider,
  PeerSighting,
  ProviderContext,
  ProviderMode,
  ProviderStatus,
  PublishOptions,
  ResolvedUrl,
  SignalingChannel
} from '@kithmesh/core'
import type { BrokerLink } from './broker-link.ts'
import { candidateAddresses } from './candidate-addresses.ts'
import { mqttErrors } from './errors.ts'
import { createGroup } from './group.ts'
import type { Group } from './group.ts'
import { KnownSignatories } from './identity-signature.ts'
import type { Signer } from './identity-signature.ts'
import { Inbox } from './inbox.ts'
import { ModeTurns } from './mode-turns.ts'
import type { CheckedOptions } from './options.ts'
import { PresenceWatch } from './presence-watch.ts'
import { Run } from './run.ts'
import type { Presence } from './presence-statement.ts'

/** For a start; the brokers' own bounds are shorter unless they are many. */
const startMs = 25_000
const publishMs = 10_000
const idPrefix = 'mqtt:'
const modes = ['browse', 'publish'] as const

/** Discovery and signalling over MQTT for one peer group. The last mode that stops ends all connections. */
export class MqttProvider implements PeerDiscoveryProvider {
  readonly #context: ProviderContext
  readonly #options: CheckedOptions
  readonly #signer: Signer
  readonly #group: Group
  readonly #watch: PresenceWatch
  readonly #inbox: Inbox
  readonly #turns: Readonly<Record<ProviderMode, ModeTurns>> = { browse: new ModeTurns(), publish: new ModeTurns() }
  readonly #users = new Set<ProviderMode>()
  /** What was reported last. */
  readonly #states: Record<ProviderMode, ProviderStatus['state']> = { browse: 'offline', publish: 'offline' }
  #run: Run | undefined
  #lastStart = 0
  #cancelOutage: (() => void) | undefined
  #publication: PublishOptions | undefined
  #shutDown: Promise<void> | undefined

  constructor(context: ProviderContext, options: CheckedOptions, signer: Signer) {
    this.#context = context
    this.#options = options
    this.#signer = signer
    this.#group = createGroup(context.peerGroupId, options.topicPrefix, options.groupKey)
    const known = new KnownSignatories()
    this.#watch = new PresenceWatch(this.#group, known, context, options, {
      moved: (peerId) => {
        this.#inbox.forgetReplyAddress(peerId)
      },
      found: (peerId, presence) => {
        if (this.#states.browse === 'online') context.peersFound([sighting(peerId, presence)])
      },
      metadataChanged: (peerId, { metadata }) => {
        if (this.#states.browse === 'online') context.metadataChanged(idPrefix + peerId, metadata)
      },
      lost: (peerId) => {
        this.#inbox.forgetReplyAddress(peerId)
        if (this.#states.browse === 'online') context.peersLost([idPrefix + peerId])
      }
    })
    this.#inbox = new Inbox({
      context,
      options,
      group: this.#group,
      signer,
      known,
      post: () => this.#run,
      addressOf: (peerId) => {
        const presence = this.#watch.table.get(peerId)
        return presence === undefined ? undefined : { key: presence.inboxKey, tags: presence.inboxTags }
      }
    })
  }

  startBrowsing(): Promise<void> {
    return this.#turns.browse.start(async (signal) => {
      if (this.#states.browse === 'online') return
      await this.#start('browse', signal, async (run) => {
        this.#watch.start()
        await run.browse(signal)
      })
    })
  }

  stopBrowsing(): Promise<void> {
    return this.#stop('browse')
  }

  async startPublishing(wanted: PublishOptions): Promise<void> {
    // A copy: the map stays the caller's, and is published anew with every connection to a broker.
    const options = { ...wanted, metadata: new Map(wanted.metadata) }
    await this.#turns.publish.start(async (signal) => {
      checkInteger('port', options.port, 1, 65_535)
      await this.#start('publish', signal, async (run) => {
        this.#publication = options
        await run.publish(options, signal)
      })
    })
  }

  stopPublishing(): Promise<void> {
    return this.#stop('publish')
  }

  async updateMetadata(metadata: Metadata): Promise<void> {
    const run = this.#run
    if (this.#publication === undefined || run === undefined || this.#states.publish === 'offline')
      throw coreErrors.create('ERR_PD_NOT_PUBLISHING', 'Nothing is published')
    const { signal } = this.#turns.publish
    await withDeadline((ending) => run.updateMetadata(new Map(metadata), ending), {
      clock: this.#context.clock,
      ms: publishMs,
      what: 'Publishing over MQTT',
      signal
    })
  }

  /** Nothing to do: presence carries the metadata, and every change is reported. */
  monitorMetadata(_id: string, _on: boolean): void {}

  async resolveUrl(id: string, { signal }: { readonly signal: AbortSignal }): Promise<ResolvedUrl> {
    signal.throwIfAborted()
    // A turn later, so that whoever cancels at once is heard.
    await Promise.resolve()
    signal.throwIfAborted()
    const peerId = id.startsWith(idPrefix) ? id.slice(idPrefix.length) : ''
    const presence = this.#states.browse === 'online' ? this.#watch.table.get(peerId) : undefined
    if (presence === undefined) throw mqttErrors.create('ERR_MQTT_UNKNOWN_PEER', `No peer ${JSON.stringify(id.slice(0, 100))} is listed`)
    const { network } = presence
    return {
      url: `wss://${peerId.slice(0, 16)}.kithmesh.invalid:${network.port}/`,
      addresses: candidateAddresses(network, this.#context.network.current),
      network
    }
  }

  socketFactory(): undefined {}

  signalingChannel(): SignalingChannel {
    return this.#inbox
  }

  shutdown(): Promise<void> {
    this.#shutDown ??= (async () => {
      await Promise.allSettled([this.stopBrowsing(), this.stopPublishing()])
    })()
    return this.#shutDown
  }

  async #start(mode: ProviderMode, signal: AbortSignal, begin: (run: Run) => Promise<void>): Promise<void> {
    if (this.#shutDown !== undefined) throw mqttErrors.create('ERR_MQTT_STOPPED', 'The provider was shut down')
    signal.throwIfAborted()
    const fresh = this.#states[mode] !== 'online'
    if (fresh) this.#report(mode, { state: 'starting' })
    this.#users.add(mode)
    const run = (this.#run ??= this.#newRun())
    const late = (): Error => mqttErrors.create('ERR_MQTT_NO_BROKER', `No broker was ready within ${startMs} ms`)
    const ending = limitedSignal(this.#context.clock, startMs, late, signal)
    try {
      await unlessAborted(ending.signal, () => begin(run))
    } catch (error) {
      await this.#release(mode)
      this.#report(mode, signal.aborted ? { state: 'offline' } : { state: 'failed', error: error as Error })
      throw error
    } finally {
      ending.release()
    }
    if (fresh) this.#goOnline(mode)
  }

  #stop(mode: ProviderMode): Promise<void> {
    return this.#turns[mode].stop(async () => {
      if (!this.#users.has(mode)) return
      this.#report(mode, { state: 'offline' })
      await this.#release(mode)
    })
  }

  async #release(mode: ProviderMode): Promise<void> {
    this.#users.delete(mode)
    const run = this.#run
    if (mode === 'browse') {
      this.#watch.stop()
      run?.endBrowsing()
    } else {
      this.#publication = undefined
      await run?.withdraw()
    }
    if (this.#users.size > 0 || run === undefined || this.#run !== run) return
    this.#run = undefined
    this.#cancelOutage?.()
    this.#cancelOutage = undefined
    await run.stop()
  }

  #newRun(): Run {
    const { clock } = this.#context
    this.#lastStart = Math.max(clock.now(), this.#lastStart + 1)
    const run: Run = new Run({
      context: this.#context,
      options: this.#options,
      group: this.#group,
      signer: this.#signer,
      startedAt: this.#lastStart,
      message: (link, topic, payload, retained) => {
        if (this.#run === run) this.#message(run, link, topic, payload, retained)
      },
      changed: () => {
        if (this.#run === run) this.#changed(run)
      }
    })
    run.start()
    return run
  }

  #message(run: Run, link: BrokerLink, topic: string, payload: Buffer, retained: boolean): void {
    const parsed = this.#group.parse(topic)
    if (parsed === undefined) return
    if (parsed.kind === 'inbox') {
      if (topic === this.#group.inboxTopic(this.#signer.peerId)) this.#inbox.receive(topic, payload)
    } else if (topic !== run.presence.topic) {
      if (this.#users.has('browse')) this.#watch.receive(topic, payload, retained)
    } else if (payload.length === 0) run.ownTopic(link, undefined, retained)
    else {
      const verified = this.#watch.read(topic, payload)
      if (verified !== undefined) run.ownTopic(link, verified.statement, retained)
    }
  }

  /** Brokers came or went: without any for as long as a presence lives, what runs has failed, until one is back. */
  #changed(run: Run): void {
    this.#tellBrokers(run)
    if (run.connected.length === 0) {
      this.#cancelOutage ??= this.#context.clock.after(this.#options.presenceTtlMs, () => {
        const error = mqttErrors.create('ERR_MQTT_NO_BROKER', 'All brokers have been away for too long', {
          details: { brokers: Object.fromEntries(run.links.map(({ status }) => [status.id, status.error?.message])) }
        })
        for (const mode of modes) if (this.#states[mode] === 'online') this.#report(mode, { state: 'failed', error })
      })
      return
    }
    this.#cancelOutage?.()
    this.#cancelOutage = undefined
    if (this.#states.browse === 'failed' && this.#users.has('browse') && run.browses) this.#goOnline('browse')
    if (this.#states.publish === 'failed' && this.#users.has('publish') && run.publishes) this.#goOnline('publish')
  }

  #tellBrokers(run: Run): void {
    try {
      this.#options.onBrokers(run.links.map(({ status }) => status))
    } catch (error) {
      this.#context.logger.error('onBrokers failed', { error })
    }
  }

  #goOnline(mode: ProviderMode): void {
    this.#report(mode, { state: 'online' })
    if (mode !== 'browse') return
    const sightings = [...this.#watch.table.present()].map(([peerId, presence]) => sighting(peerId, presence))
    if (sightings.length > 0) this.#context.peersFound(sightings)
  }

  #report(mode: ProviderMode, status: ProviderStatus): void {
    this.#states[mode] = status.state
    this.#context.statusChanged(mode, status)
  }
}

function sighting(peerId: string, { displayName, metadata }: Presence): PeerSighting {
  return { id: idPrefix + peerId, displayName, connectable: true, metadata }
}
