import type { DiagnosticDevice } from './contracts/diagnostics.ts'
import type { Logger } from './contracts/logger.ts'
import type { Metadata } from './contracts/metadata.ts'
import type { IncomingSource, PeerDiscoveryObserver } from './contracts/observer.ts'
import type { ProviderMode, ProviderStatus } from './contracts/provider.ts'
import type { PeerSighting } from './contracts/provider.ts'
import type { Device } from './contracts/peer.ts'
import type { ByteSocket } from './contracts/socket.ts'
import { type Diagnostics, diagnosticError } from './diagnostics.ts'
import type { ObserverSet } from './observer-set.ts'
import type { PeersChange, PeerTable } from './peer-table.ts'
import type { HostEvents } from './provider-host.ts'
import type { AccessGuard } from './trust/access-guard.ts'

export interface PeerRegistryParts {
  readonly table: PeerTable
  readonly observers: ObserverSet<PeerDiscoveryObserver>
  readonly logger: Logger
  readonly guard: AccessGuard
  readonly diagnostics: Diagnostics
}

/** Takes what providers report into the peer table and tells the observers, in order and in batches. */
export class PeerRegistry implements HostEvents {
  readonly table: PeerTable
  readonly #observers: ObserverSet<PeerDiscoveryObserver>
  readonly #logger: Logger
  readonly #guard: AccessGuard
  readonly #diagnostics: Diagnostics
  #flushing = false
  #refusals = 0

  constructor({ table, observers, logger, guard, diagnostics }: PeerRegistryParts) {
    this.table = table
    this.#observers = observers
    this.#logger = logger
    this.#guard = guard
    this.#diagnostics = diagnostics
  }

  statusChanged(provider: string, mode: ProviderMode, status: ProviderStatus): void {
    this.#observers.notify('statusChanged', provider, mode, status)
    this.#diagnostics.publish('kithmesh:provider.status', () => ({
      provider,
      mode,
      state: status.state,
      error: status.state === 'failed' ? diagnosticError(status.error) : undefined
    }))
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

  incomingConnection(from: IncomingSource, id: string | undefined, socket: ByteSocket): boolean {
    const peer = id === undefined ? undefined : this.table.peer(id)
    const known = peer?.provider === from.provider ? peer : undefined
    const { remoteAddress: address } = socket as { readonly remoteAddress?: unknown }
    const reason = this.#guard.refusesRoute(known?.claimedDeviceId ?? '', typeof address === 'string' ? address : null)
    if (reason === undefined) return this.#observers.ask('incomingConnection', known, socket, from)
    this.#guard.refused(`${from.provider} ${id ?? '?'}`, reason)
    return false
  }

  /** Hands the observers what the devices have become; otherwise done once per microtask. */
  flushDevices(): void {
    this.#flushing = false
    const change = this.table.takeDevicesChange()
    if (change === undefined) return
    this.#observers.notify('devicesChanged', change)
    this.#diagnostics.publish('kithmesh:device.changed', () => ({
      added: change.added.map(described),
      changed: change.changed.map(described),
      removed: change.removed.map(described)
    }))
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

function described({ id, displayName, peers }: Device): DiagnosticDevice {
  return { deviceId: id, displayName, providers: [...new Set(peers.map(({ provider }) => provider))] }
}
