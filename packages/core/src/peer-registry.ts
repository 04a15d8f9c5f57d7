import type { Logger } from './contracts/logger.ts'
import type { Metadata } from './contracts/metadata.ts'
import type { PeerDiscoveryObserver } from './contracts/observer.ts'
import type { ProviderMode, ProviderStatus } from './contracts/provider.ts'
import type { PeerSighting } from './contracts/provider.ts'
import type { ByteSocket } from './contracts/socket.ts'
import type { ObserverSet } from './observer-set.ts'
import type { PeersChange, PeerTable } from './peer-table.ts'
import type { HostEvents } from './provider-host.ts'

/** Takes what providers report into the peer table and tells the observers, in order and in batches. */
export class PeerRegistry implements HostEvents {
  readonly table: PeerTable
  readonly #observers: ObserverSet<PeerDiscoveryObserver>
  readonly #logger: Logger
  #flushing = false
  #refusals = 0

  constructor(table: PeerTable, observers: ObserverSet<PeerDiscoveryObserver>, logger: Logger) {
    this.table = table
    this.#observers = observers
    this.#logger = logger
  }

  statusChanged(provider: string, mode: ProviderMode, status: ProviderStatus): void {
    this.#observers.notify('statusChanged', provider, mode, status)
    if (mode === 'browse' && status.state !== 'online') this.#publish(this.table.removeAll(provider))
  }

  peersFound(provider: string, sightings: readonly PeerSighting[]): void {
    this.#publish(this.table.found(provider, sightings))
  }

  peersLost(provider: string, ids: readonly string[]): void {
    this.#publish(this.table.lost(provider, ids))
  }

  metadataChanged(provider: string, id: string, metadata: Metadata): void {
    this.#publish(this.table.metadata(provider, id, metadata))
  }

  incomingConnection(provider: string, id: string | undefined, socket: ByteSocket): boolean {
    const peer = id === undefined ? undefined : this.table.peer(id)
    return this.#observers.ask('incomingConnection', peer?.provider === provider ? peer : undefined, socket)
  }

  /** Hands the observers what the devices have become; otherwise done once per microtask. */
  flushDevices(): void {
    this.#flushing = false
    const change = this.table.takeDevicesChange()
    if (change !== undefined) this.#observers.notify('devicesChanged', change)
  }

  #publish({ added, removed, metadataChanged, refused }: PeersChange): void {
    if (added.length > 0) this.#observers.notify('peersAdded', added)
    if (removed.length > 0) this.#observers.notify('peersRemoved', removed)
    for (const peer of metadataChanged) this.#observers.notify('peerMetadataChanged', peer)
    this.#logRefused(refused)
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => {
      if (this.#flushing) this.flushDevices()
    })
  }

  /** A hostile network can cause any number of them: the first is a warning, the others are for debugging. */
  #logRefused(refused: PeersChange['refused']): void {
    for (const { id, reason } of refused) {
      if (this.#refusals++ === 0) this.#logger.warn(`A sighting was refused: ${reason}; further ones are logged at debug level`, { id })
      else this.#logger.debug(`A sighting was refused: ${reason}`, { id })
    }
  }
}
