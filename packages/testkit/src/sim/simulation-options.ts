import type { Logger } from '@kithmesh/core'
import type { DocumentVersioning } from '@kithmesh/database'
import type { MeshEngine, MeshEngineOptions } from '@kithmesh/mesh/engine'
import type { ConflictResolver } from '@kithmesh/replicator'
import type { DiscoveryOptions } from './discovery.ts'
import type { NetworkOptions } from './network.ts'
import type { Judgement, SimPeer } from './peer.ts'

/** Options of the engine that a simulation does not set itself. */
export type SimMeshOptions = Partial<
  Omit<MeshEngineOptions, 'localPeerId' | 'connector' | 'database' | 'clock' | 'scheduler' | 'random' | 'places' | 'codec'>
>

/** What a simulation asks of an engine. */
export type SimEngine = Pick<MeshEngine, 'start' | 'stop' | 'found' | 'lost' | 'accept' | 'neighbours'>

/** One device of a simulation. */
export interface PeerOptions {
  /** @default `Peer` and its number */
  readonly name?: string
  /** Only peers of the same group see each other. @default '' */
  readonly group?: string
  /** Segments of the network in which it sees others and is seen. @default 0 alone */
  readonly segments?: ReadonlySet<number>
  /** How far its wall clock is ahead. @default 0 */
  readonly clockSkewMs?: number
  readonly versioning?: DocumentVersioning
  readonly mesh?: SimMeshOptions
}

/** What a simulation is made of. */
export interface SimulationOptions {
  /** The same seed, with the same options and the same calls, gives the same run. @default 1 */
  readonly seed?: number | string
  /** Peers there can be. @default 2048 */
  readonly capacity?: number
  readonly network?: NetworkOptions
  readonly discovery?: DiscoveryOptions
  /** @default 'rev-trees' */
  readonly versioning?: DocumentVersioning
  /** Of every peer. @default the one of the mesh */
  readonly conflictResolver?: ConflictResolver
  /** Further options of every peer's engine. */
  readonly mesh?: SimMeshOptions
  /** What a peer thinks of another one's certificate. @default 'trusted' */
  readonly judge?: (peer: SimPeer, other: SimPeer) => Judgement
  /** Makes the engine of a peer, such as a variant of one's own. @default a `MeshEngine` */
  readonly makeEngine?: (options: MeshEngineOptions, peer: SimPeer) => SimEngine
  readonly logger?: Logger
  /** How many of the last events are kept as text. @default 0 */
  readonly keepTrace?: number
}
