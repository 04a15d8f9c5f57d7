import type { NetworkView } from './contracts/network.ts'
import { ChangeStream } from './change-stream.ts'
import { checkPositive } from './check-numbers.ts'
import type {
  AssessOptions,
  ChangesOptions,
  ConnectOptions,
  Connection,
  DiscoveryChanges,
  DiscoveryListenOptions,
  DiscoveryListener,
  PeerDiscovery,
  PublishInput,
  StartOptions
} from './contracts/discovery.ts'
import type { MetadataInput } from './contracts/metadata.ts'
import type { PeerDiscoveryObserver } from './contracts/observer.ts'
import type { Device, Peer } from './contracts/peer.ts'
import type { ProviderMode, ProviderStatus, PublishOptions } from './contracts/provider.ts'
import type { ConnectionReport, DeviceAssessment } from './contracts/report.ts'
import { DeviceConnections } from './device-connections.ts'
import type { DeviceConnectionsParts } from './device-connections.ts'
import { coreErrors } from './errors.ts'
import type { ClaimTable } from './incoming-claims.ts'
import { listenAll } from './listen-all.ts'
import type { PeerRegistry } from './peer-registry.ts'
import type { ProviderHost } from './provider-host.ts'
import { checkPublication, publishedMetadata } from './publication.ts'
import type { AccessLists } from './trust/access-lists.ts'

export interface DiscoveryParts extends DeviceConnectionsParts {
  readonly registry: PeerRegistry
  readonly claims: ClaimTable
  readonly listening: { port: number | undefined }
  /** Shuts the hosts and strategies down. */
  readonly dispose: () => Promise<void>
}

/** See {@link PeerDiscovery}; made by `createPeerDiscovery`. */
export class Discovery implements PeerDiscovery {
  readonly peerGroupId: string
  readonly localPeerId: string
  readonly providers: readonly string[]
  readonly transports: readonly string[]
  readonly #parts: DiscoveryParts
  readonly #streams = new Set<ChangeStream>()
  readonly #connections: DeviceConnections
  #publication: PublishOptions | undefined
  #shutdown: Promise<void> | undefined

  constructor(parts: DiscoveryParts) {
    this.#parts = parts
    this.#connections = new DeviceConnections(parts)
    this.peerGroupId = parts.options.peerGroupId
    this.localPeerId = parts.options.localPeerId
    this.providers = Object.freeze(parts.hosts.map(({ name }) => name))
    this.transports = Object.freeze(parts.strategies.map(({ name }) => name))
  }

  get access(): AccessLists {
    return this.#parts.guard.access
  }

  get network(): NetworkView {
    return this.#parts.network
  }

  status(provider: string, mode: ProviderMode): ProviderStatus {
    const host = this.#parts.hosts.find(({ name }) => name === provider)
    if (host === undefined) throw coreErrors.create('ERR_PD_UNKNOWN_PROVIDER', `There is no provider named ${JSON.stringify(provider)}`)
    return host.status(mode)
  }

  get peers(): readonly Peer[] {
    return this.#parts.registry.table.peers
  }
  peerWithId(id: string): Peer | undefined {
    return this.#parts.registry.table.peer(id)
  }
  get devices(): readonly Device[] {
    return this.#parts.registry.table.devices
  }
  deviceWithId(id: string): Device | undefined {
    return this.#parts.registry.table.device(id)
  }

  async start({ browse = true, publish }: StartOptions = {}): Promise<void> {
    const results = await Promise.allSettled([
      ...(browse ? [this.startBrowsing()] : []),
      ...(publish === undefined ? [] : [this.startPublishing(publish)])
    ])
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
    if (errors.length === 1) throw errors[0]
    if (errors.length > 1)
      throw coreErrors.create('ERR_PD_START_FAILED', `Neither browsing nor publishing started: ${messages(errors)}`, {
        cause: new AggregateError(errors, messages(errors))
      })
  }

  async startBrowsing(): Promise<void> {
    this.#checkOpen()
    this.#parts.network.start()
    await this.#startAll('browsing', this.#parts.hosts, (host) => host.startBrowsing())
  }

  async stopBrowsing(): Promise<void> {
    if (this.#shutdown !== undefined) return await this.#shutdown
    await Promise.allSettled(this.#parts.hosts.map((host) => host.stopBrowsing()))
  }

  async startPublishing(input: PublishInput): Promise<void> {
    this.#checkOpen()
    const publication = checkPublication(input, this.localPeerId)
    const able = this.#parts.hosts.filter(({ publishes }) => publishes)
    if (able.length === 0) throw coreErrors.create('ERR_PD_UNSUPPORTED', `None of the providers can publish: ${this.providers.join(', ')}`)
    const hosts = able.filter(({ needsPort }) => publication.port !== 0 || !needsPort)
    if (hosts.length === 0)
      throw coreErrors.create('ERR_PD_PUBLISH_OPTIONS', 'None of the providers can publish without the TCP port of a listener')
    this.#publication = publication
    this.#parts.network.start()
    await this.#startAll('publishing', hosts, (host) => host.startPublishing(publication))
  }

  async stopPublishing(): Promise<void> {
    this.#publication = undefined
    if (this.#shutdown !== undefined) return await this.#shutdown
    await Promise.allSettled(this.#parts.hosts.map((host) => host.stopPublishing()))
  }

  async updateMetadata(input: MetadataInput): Promise<void> {
    this.#checkOpen()
    if (this.#publication === undefined)
      throw coreErrors.create('ERR_PD_NOT_PUBLISHING', 'There is no publication whose metadata could change')
    const metadata = publishedMetadata(input, this.localPeerId)
    this.#publication = Object.freeze({ ...this.#publication, metadata })
    const hosts = this.#parts.hosts.filter(({ publishes }) => publishes)
    const errors = await this.#forAll(hosts, 'updating the metadata', (host) => host.updateMetadata(metadata))
    if (errors.length === hosts.length)
      throw coreErrors.create('ERR_PD_UPDATE_FAILED', `No provider could change the metadata: ${messages(errors)}`, {
        cause: new AggregateError(errors, messages(errors))
      })
  }

  addObserver(observer: PeerDiscoveryObserver): () => void {
    if (typeof observer !== 'object' || observer === null) throw new TypeError('An observer is an object')
    if (this.#shutdown !== undefined) return () => {}
    return this.#parts.observers.add(observer)
  }

  removeObserver(observer: PeerDiscoveryObserver): void {
    this.#parts.observers.remove(observer)
  }

  changes(options: ChangesOptions = {}): DiscoveryChanges {
    const stream = new ChangeStream(options, this.#parts.options.logger, (ended) => {
      this.#streams.delete(ended)
      this.#parts.observers.remove(ended.observer)
    })
    if (this.#shutdown !== undefined) {
      stream.end()
    } else if (stream.open) {
      this.#streams.add(stream)
      this.#parts.observers.add(stream.observer)
    }
    return stream
  }

  async connect(target: Device | string, options: ConnectOptions = {}): Promise<Connection> {
    this.#checkOpen()
    options.signal?.throwIfAborted()
    checkPositive(options, 'deadlineMs')
    return await this.#connections.connect(this.#listed(target), options)
  }

  explain(target: Device | string): ConnectionReport | undefined {
    return this.#connections.explain(idOf(target))
  }

  async assess(target: Device | string, options: AssessOptions = {}): Promise<DeviceAssessment> {
    this.#checkOpen()
    options.signal?.throwIfAborted()
    checkPositive(options, 'deadlineMs')
    const assessment = await this.#connections.assess(this.#listed(target), options)
    this.#checkOpen()
    options.signal?.throwIfAborted()
    return assessment
  }

  async listen(options: DiscoveryListenOptions): Promise<DiscoveryListener> {
    this.#checkOpen()
    const { strategies, network, claims, guard, listening } = this.#parts
    network.start()
    const { logger, providers } = this.#parts.options
    const elsewhere = providers.some(({ capabilities }) => capabilities.incomingConnections)
    const listener = await listenAll(strategies, options, { claims, guard, logger, elsewhere })
    if (this.#shutdown === undefined) {
      listening.port = listener.port
      return {
        port: listener.port,
        addresses: listener.addresses,
        close: async () => {
          if (listening.port === listener.port) listening.port = undefined
          await listener.close()
        }
      }
    }
    await listener.close()
    throw shutDownError()
  }

  shutdown(): Promise<void> {
    this.#shutdown ??= this.#doShutdown()
    return this.#shutdown
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.shutdown()
  }

  async #doShutdown(): Promise<void> {
    const { owner, dispose, observers, registry } = this.#parts
    await Promise.resolve()
    owner.abort(shutDownError())
    this.#publication = undefined
    try {
      await dispose()
    } finally {
      registry.flushDevices()
      await observers.idle()
      for (const stream of this.#streams) stream.end()
      observers.clear()
      this.#connections.forget()
    }
  }

  /** Waits for all; one that fails has logged it and shows it in its status. */
  async #startAll(what: string, hosts: readonly ProviderHost[], start: (host: ProviderHost) => Promise<void>): Promise<void> {
    const errors = await this.#forAll(hosts, `starting ${what}`, start)
    if (this.#shutdown !== undefined) throw shutDownError()
    if (errors.length === hosts.length)
      throw coreErrors.create('ERR_PD_START_FAILED', `No provider could start ${what}: ${messages(errors)}`, {
        cause: new AggregateError(errors, messages(errors))
      })
  }

  async #forAll(hosts: readonly ProviderHost[], what: string, run: (host: ProviderHost) => Promise<void>): Promise<unknown[]> {
    const results = await Promise.allSettled(hosts.map(run))
    return results.flatMap((result, index) => {
      if (result.status === 'fulfilled') return []
      this.#parts.options.logger.debug(`${hosts[index]?.name ?? '?'} failed in ${what}`, { error: result.reason as unknown })
      return [result.reason as unknown]
    })
  }

  #listed(target: Device | string): Device {
    const device = this.deviceWithId(idOf(target))
    if (device === undefined) throw coreErrors.create('ERR_PD_UNKNOWN_DEVICE', `There is no device ${idOf(target)} at the moment`)
    return device
  }

  #checkOpen(): void {
    if (this.#shutdown !== undefined) throw shutDownError()
  }
}

function idOf(target: Device | string): string {
  return typeof target === 'string' ? target : target.id
}

function shutDownError(): Error {
  return coreErrors.create('ERR_PD_SHUT_DOWN', 'This peer discovery was shut down')
}

function messages(errors: readonly unknown[]): string {
  return errors.map((error) => (error instanceof Error ? error.message : String(error))).join('; ')
}
