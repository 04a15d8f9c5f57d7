import type { Clock } from './contracts/clock.ts'
import type { Logger } from './contracts/logger.ts'
import type { Metadata } from './contracts/metadata.ts'
import type { NetworkView } from './contracts/network.ts'
import type { IncomingSource } from './contracts/observer.ts'
import type { ResolvedUrl } from './contracts/peer.ts'
import type {
  PeerDiscoveryProvider,
  PeerSighting,
  ProviderContext,
  ProviderFactory,
  ProviderMode,
  ProviderStatus,
  PublishOptions
} from './contracts/provider.ts'
import type { SignalingChannel } from './contracts/signaling.ts'
import type { ByteSocket, SocketFactory } from './contracts/socket.ts'
import type { RouteQuality } from './contracts/transport.ts'
import { create } from './check-options.ts'
import { withDeadline } from './deadline.ts'
import { ModeControl } from './mode-control.ts'
import { sameMetadata } from './same-metadata.ts'

/** Bounds for a provider that does not keep its own. */
export const HOST_DEADLINES = Object.freeze({ startMs: 30_000, stopMs: 10_000, updateMs: 10_000, shutdownMs: 10_000 })

/** What a host passes on of what its provider reports. */
export interface HostEvents {
  statusChanged(provider: string, mode: ProviderMode, status: ProviderStatus): void
  peersFound(provider: string, sightings: readonly PeerSighting[]): void
  peersLost(provider: string, ids: readonly string[]): void
  metadataChanged(provider: string, id: string, metadata: Metadata): void
  incomingConnection(from: IncomingSource, id: string | undefined, socket: ByteSocket): boolean
}

export interface ProviderHostOptions {
  readonly factory: ProviderFactory
  readonly peerGroupId: string
  readonly localPeerId: string
  readonly logger: Logger
  readonly clock: Clock
  readonly network: NetworkView
  readonly owner: AbortSignal
  readonly events: HostEvents
}

/** One provider with its two modes: lets nothing through that the contract forbids, and nothing hang. */
export class ProviderHost {
  readonly name: string
  readonly publishes: boolean
  /** Publishes only with the port of a listener. */
  readonly needsPort: boolean
  /** Of its own sockets, and of the connections it brings. */
  readonly quality: RouteQuality
  readonly #options: ProviderHostOptions
  readonly #provider: PeerDiscoveryProvider
  readonly #modes: Readonly<Record<ProviderMode, ModeControl>>
  #publication: PublishOptions | undefined
  /** What the provider was last given. */
  #published: PublishOptions | undefined
  #updates: Promise<void> = Promise.resolve()
  #closed = false

  /** @throws ERR_PD_CREATE_FAILED, ERR_PD_INVALID_PROVIDER */
  constructor(options: ProviderHostOptions) {
    this.#options = options
    this.name = options.factory.name
    const { publishes, needsPort = true, lastResort = false } = options.factory.capabilities
    this.publishes = publishes
    this.needsPort = needsPort
    this.quality = lastResort ? 'last-resort' : 'direct'
    this.#modes = { browse: this.#control('browse'), publish: this.#control('publish') }
    this.#provider = create('provider', this.name, () => options.factory.create(this.#context()))
  }

  status(mode: ProviderMode): ProviderStatus {
    return this.#modes[mode].status
  }

  startBrowsing(): Promise<void> {
    return this.#modes.browse.start()
  }

  stopBrowsing(): Promise<void> {
    return this.#modes.browse.stop()
  }

  async startPublishing(publication: PublishOptions): Promise<void> {
    const before = this.#publication
    this.#publication = publication
    const { publish } = this.#modes
    if (before !== undefined && publish.wanted && (before.port !== publication.port || before.displayName !== publication.displayName)) {
      const stopping = publish.stop()
      const starting = publish.start()
      await Promise.allSettled([stopping, starting])
      await starting
    } else {
      await publish.start()
    }
    await this.#update()
  }

  async stopPublishing(): Promise<void> {
    this.#publication = undefined
    await this.#modes.publish.stop()
  }

  /** Does nothing when this provider is not asked to publish; a failed one gets the metadata at its next start. */
  async updateMetadata(metadata: Metadata): Promise<void> {
    if (this.#publication === undefined) return
    this.#publication = Object.freeze({ ...this.#publication, metadata })
    await this.#update()
  }

  monitorMetadata(id: string, on: boolean): void {
    try {
      if (!this.#closed) this.#provider.monitorMetadata(id, on)
    } catch (error) {
      this.#options.logger.warn(`${this.name} failed in monitorMetadata`, { error, id })
    }
  }

  async resolveUrl(id: string, options: { readonly signal: AbortSignal }): Promise<ResolvedUrl> {
    return await this.#provider.resolveUrl(id, options)
  }

  /** Undefined when there is none, or when the provider fails to tell. */
  socketFactory(): SocketFactory | undefined {
    try {
      return this.#closed ? undefined : this.#provider.socketFactory()
    } catch (error) {
      this.#options.logger.warn(`${this.name} failed in socketFactory`, { error })
      return undefined
    }
  }

  /** Undefined when there is none, or when the provider fails to tell. */
  signalingChannel(): SignalingChannel | undefined {
    try {
      return this.#provider.signalingChannel?.()
    } catch (error) {
      this.#options.logger.warn(`${this.name} failed in signalingChannel`, { error })
      return undefined
    }
  }

  /** Ends the provider; afterwards both modes are offline and nothing it reports gets through. @throws its failure, or ERR_CORE_TIMEOUT */
  async shutdown(): Promise<void> {
    const { clock, logger } = this.#options
    try {
      await withDeadline(() => this.#provider.shutdown(), { clock, ms: HOST_DEADLINES.shutdownMs, what: `Shutting down ${this.name}` })
    } catch (error) {
      logger.warn(`${this.name} failed to shut down`, { error })
      throw error
    } finally {
      this.#modes.browse.close()
      this.#modes.publish.close()
      this.#closed = true
    }
  }

  #control(mode: ProviderMode): ModeControl {
    const { clock, owner, logger, events } = this.#options
    return new ModeControl({
      what: `${this.name} ${mode === 'browse' ? 'browsing' : 'publishing'}`,
      clock,
      owner,
      startDeadlineMs: HOST_DEADLINES.startMs,
      stopDeadlineMs: HOST_DEADLINES.stopMs,
      start: mode === 'browse' ? () => this.#provider.startBrowsing() : () => this.#startPublishing(),
      stop: mode === 'browse' ? () => this.#provider.stopBrowsing() : () => this.#provider.stopPublishing(),
      changed: (status) => {
        if (status.state === 'failed') logger.warn(`${this.name} failed to ${mode}`, { error: status.error })
        else logger.debug(`${this.name} ${mode}: ${status.state}`)
        events.statusChanged(this.name, mode, status)
      }
    })
  }

  async #startPublishing(): Promise<void> {
    const publication = this.#publication
    if (publication === undefined) return
    this.#published = publication
    await this.#provider.startPublishing(publication)
  }

  /** Brings the provider up to the wanted metadata, after whatever update or start is under way. */
  async #update(): Promise<void> {
    const { clock, owner } = this.#options
    const { publish } = this.#modes
    const run = async (): Promise<void> => {
      if (this.#publication !== undefined && publish.status.state === 'starting') await publish.start()
      const publication = this.#publication
      if (publication === undefined || publish.status.state !== 'online') return
      if (this.#published !== undefined && sameMetadata(this.#published.metadata, publication.metadata)) return
      await withDeadline(() => this.#provider.updateMetadata(publication.metadata), {
        clock,
        ms: HOST_DEADLINES.updateMs,
        what: `Updating the metadata of ${this.name}`,
        signal: owner
      })
      this.#published = publication
    }
    const update = this.#updates.then(run)
    this.#updates = update.catch(() => {})
    await update
  }

  #context(): ProviderContext {
    const { peerGroupId, localPeerId, clock, logger, network, events } = this.#options
    const seesPeers = (): boolean => {
      const { state } = this.#modes.browse.status
      return !this.#closed && (state === 'online' || state === 'starting')
    }
    return Object.freeze<ProviderContext>({
      peerGroupId,
      localPeerId,
      clock,
      logger,
      network,
      statusChanged: (mode, status) => {
        if (!this.#closed && (mode === 'browse' || mode === 'publish')) this.#modes[mode].reported(status)
      },
      peersFound: (sightings) => {
        if (seesPeers()) events.peersFound(this.name, sightings)
      },
      peersLost: (ids) => {
        if (seesPeers()) events.peersLost(this.name, ids)
      },
      metadataChanged: (id, metadata) => {
        if (seesPeers()) events.metadataChanged(this.name, id, metadata)
      },
      incomingConnection: (id, socket) => {
        if (this.#closed || !this.#modes.publish.wanted || this.#modes.publish.status.state !== 'online') return false
        return events.incomingConnection({ provider: this.name, quality: this.quality }, id, socket)
      }
    })
  }
}
