import { PROVIDER_CONTRACT_VERSION, coreErrors } from '@kithmesh/core'
import type {
  Metadata,
  PeerDiscoveryProvider,
  PeerSighting,
  ProviderCapabilities,
  ProviderContext,
  ProviderFactory,
  PublishOptions,
  ResolvedUrl,
  SocketFactory
} from '@kithmesh/core'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { MemoryMedium, MemoryService } from './medium.ts'
import { memorySocketFactory } from './socket-factory.ts'

export interface MemoryProviderOptions {
  /** The machine this provider runs on; connections lead to it. @default 'localhost' */
  readonly host?: string
  /** @default 'Memory' */
  readonly name?: string
  /** Features to leave out, e.g. `{ publishes: false }`; all are there by default. */
  readonly capabilities?: Partial<ProviderCapabilities>
}

/**
 * The reference discovery provider: peers on one {@link MemoryMedium} find each other.
 *
 * @example
 * const medium = new MemoryMedium()
 * const discovery = createPeerDiscovery({ peerGroupId: 'com.example.shop', providers: [memoryProvider(medium, { host: 'till' })] })
 */
export function memoryProvider(medium: MemoryMedium, options: MemoryProviderOptions = {}): ProviderFactory {
  const capabilities = Object.freeze({
    publishes: true,
    metadata: true,
    metadataUpdates: true,
    reportsDisappearance: true,
    suppliesSocketFactory: true,
    incomingConnections: true,
    ...options.capabilities
  })
  return {
    name: options.name ?? 'Memory',
    contractVersion: PROVIDER_CONTRACT_VERSION,
    capabilities,
    create: (context) => new MemoryProvider(medium, options.host ?? 'localhost', capabilities, context)
  }
}

class MemoryProvider implements PeerDiscoveryProvider {
  readonly #medium: MemoryMedium
  readonly #host: string
  readonly #capabilities: Readonly<ProviderCapabilities>
  readonly #context: ProviderContext
  readonly #seen = new Set<string>()
  readonly #monitored = new Set<string>()
  #unwatch: (() => void) | undefined
  #published: MemoryService | undefined
  #listener: { readonly port: number; close(): void } | undefined
  #shutDown = false

  constructor(medium: MemoryMedium, host: string, capabilities: Readonly<ProviderCapabilities>, context: ProviderContext) {
    this.#medium = medium
    this.#host = host
    this.#capabilities = capabilities
    this.#context = context
  }

  async startBrowsing(): Promise<void> {
    this.#refuseAfterShutdown()
    if (this.#unwatch !== undefined) return
    this.#context.statusChanged('browse', { state: 'starting' })
    this.#unwatch = this.#medium.watch({
      serviceAdded: (service) => {
        this.#found(service)
      },
      serviceChanged: (service) => {
        this.#changed(service)
      },
      serviceRemoved: (id) => {
        if (!this.#seen.delete(id)) return
        this.#monitored.delete(id)
        if (this.#capabilities.reportsDisappearance) this.#context.peersLost([id])
      }
    })
    this.#context.statusChanged('browse', { state: 'online' })
  }

  async stopBrowsing(): Promise<void> {
    if (this.#unwatch === undefined) return
    this.#unwatch()
    this.#unwatch = undefined
    this.#seen.clear()
    this.#monitored.clear()
    this.#context.statusChanged('browse', { state: 'offline' })
  }

  async startPublishing(options: PublishOptions): Promise<void> {
    if (!this.#capabilities.publishes) throw coreErrors.create('ERR_PD_UNSUPPORTED', 'This provider does not publish')
    this.#refuseAfterShutdown()
    if (this.#published !== undefined) return
    this.#context.statusChanged('publish', { state: 'starting' })
    try {
      if (this.#capabilities.incomingConnections) {
        this.#listener = this.#medium.listen(this.#host, options.port, (socket, fromHost) => {
          const peer = this.#medium.services.find((service) => service.host === fromHost && this.#seen.has(service.id))
          if (!this.#context.incomingConnection(peer?.id, socket)) socket.destroy()
        })
      }
    } catch (error) {
      this.#context.statusChanged('publish', { state: 'failed', error: error as Error })
      throw error
    }
    this.#published = this.#medium.announce({
      peerGroupId: this.#context.peerGroupId,
      peerId: this.#context.localPeerId,
      host: this.#host,
      displayName: options.displayName,
      port: this.#listener?.port ?? options.port,
      metadata: new Map(options.metadata)
    })
    this.#context.statusChanged('publish', { state: 'online' })
  }

  async stopPublishing(): Promise<void> {
    if (this.#published === undefined) return
    this.#medium.withdraw(this.#published.id)
    this.#published = undefined
    this.#listener?.close()
    this.#listener = undefined
    this.#context.statusChanged('publish', { state: 'offline' })
  }

  async updateMetadata(metadata: Metadata): Promise<void> {
    if (this.#published === undefined)
      throw coreErrors.create('ERR_PD_NOT_PUBLISHING', 'Nothing is published, so there is no metadata to replace')
    this.#medium.update(this.#published.id, new Map(metadata))
  }

  monitorMetadata(id: string, on: boolean): void {
    if (!on || !this.#seen.has(id)) {
      this.#monitored.delete(id)
      return
    }
    this.#monitored.add(id)
    const service = this.#medium.service(id)
    if (service !== undefined && this.#capabilities.metadata) this.#context.metadataChanged(id, service.metadata)
  }

  async resolveUrl(id: string, { signal }: { readonly signal: AbortSignal }): Promise<ResolvedUrl> {
    signal.throwIfAborted()
    await nextTurn()
    signal.throwIfAborted()
    const service = this.#seen.has(id) ? this.#medium.service(id) : undefined
    if (service === undefined) throw coreErrors.create('ERR_PD_RESOLVE_FAILED', `No service ${JSON.stringify(id)} is there`)
    const scheme = this.#capabilities.suppliesSocketFactory ? 'memory' : 'ws'
    return { url: `${scheme}://${service.host}:${service.port}/db`, addresses: [] }
  }

  socketFactory(): SocketFactory | undefined {
    return this.#capabilities.suppliesSocketFactory ? memorySocketFactory(this.#medium, this.#host) : undefined
  }

  async shutdown(): Promise<void> {
    this.#shutDown = true
    await this.stopBrowsing()
    await this.stopPublishing()
  }

  #found(service: MemoryService): void {
    if (service.peerGroupId !== this.#context.peerGroupId || service.peerId === this.#context.localPeerId) return
    this.#seen.add(service.id)
    const sighting: PeerSighting = { id: service.id, displayName: service.displayName }
    this.#context.peersFound([this.#capabilities.metadata ? { ...sighting, metadata: service.metadata } : sighting])
  }

  #changed(service: MemoryService): void {
    if (this.#capabilities.metadataUpdates && this.#monitored.has(service.id)) this.#context.metadataChanged(service.id, service.metadata)
  }

  #refuseAfterShutdown(): void {
    if (this.#shutDown) throw coreErrors.create('ERR_PD_UNSUPPORTED', 'The provider was shut down', { hint: 'Create a new one.' })
  }
}
