import type { Device, Peer } from './peer.ts'
import type { ProviderMode, ProviderStatus } from './provider.ts'
import type { ConnectionReport } from './report.ts'
import type { ByteSocket } from './socket.ts'
import type { RouteQuality } from './transport.ts'

/** What is known of an incoming connection beside the stream. */
export interface IncomingSource {
  /** Name of the provider that brought it. */
  readonly provider: string
  readonly quality: RouteQuality
}

/**
 * What an application is told. All members are optional. Calls are never made from inside the call that caused them
 * (always in a later microtask), observers are isolated from each other's exceptions, and after `removeObserver`
 * returned there are none.
 */
export interface PeerDiscoveryObserver {
  statusChanged?(provider: string, mode: ProviderMode, status: ProviderStatus): void
  peersAdded?(peers: readonly Peer[]): void
  peersRemoved?(peers: readonly Peer[]): void
  peerMetadataChanged?(peer: Peer): void
  /** Devices that appeared, changed (name, sightings) or vanished since the last call. */
  devicesChanged?(change: DevicesChange): void
  /** Asked in the order of registration until one returns true and thereby owns the socket. */
  incomingConnection?(peer: Peer | undefined, socket: ByteSocket, from: IncomingSource): boolean
  /** A connection attempt ended, either way. */
  connectionReport?(report: ConnectionReport): void
}

export interface DevicesChange {
  readonly added: readonly Device[]
  readonly changed: readonly Device[]
  readonly removed: readonly Device[]
}
