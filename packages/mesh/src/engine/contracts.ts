import type { OpenBlipConnection } from '@kithmesh/blip'
import type { PeerChannelOptions } from '@kithmesh/channel'
import type { Clock, Logger, RouteQuality, TrustProtocol } from '@kithmesh/core'
import type { Diagnostics } from '@kithmesh/core/plugin'
import type { Database } from '@kithmesh/database'
import type { ReplicatorType } from '@kithmesh/replicator'
import type { MeshMember } from '../members/member-link.ts'
import type { RingPlaces } from '../topology/ring-plan.ts'
import type { MeshCollection, MeshConflictResolver } from './collections.ts'
import type { TopologyCodec } from '../topology/topology-codec.ts'

/**
 * An open connection to a device that proved who it is. Everything that two devices have to say to each other runs over it; it belongs to the receiver.
 * `blip` is asked for in the turn in which the connection is handed over to the engine; nothing of the peer may be read before.
 */
export interface MeshConnection extends OpenBlipConnection {
  /** Proven: SHA-256 of the device's certificate. */
  readonly peerId: string
  /** For people: what the device calls itself, as far as that is known. */
  readonly displayName: string
  /** Who dialled. */
  readonly direction: 'outgoing' | 'incoming'
  /** For people: transport and the other side's address, e.g. `direct 192.168.1.4:4984`. */
  readonly route: string
  readonly quality: RouteQuality
  /** 32 bytes that are equal at both ends and belong to this connection alone (TLS exporter, RFC 9266), so that proofs cannot be used on another one. */
  readonly binding: Uint8Array
  /** What the certificate was worth: enough, or the device has to prove itself by one of `protocols`. */
  readonly standing: 'trusted' | 'prove'
  /** Ways to prove, best first; also where the certificate is enough for us, because it may not be for the device. @default none */
  readonly protocols?: readonly TrustProtocol[]
  /** Asks for a sign of life and cuts the connection when none comes within that many milliseconds. */
  probe(withinMs: number): void
  /** Cuts the connection at once. Idempotent. */
  terminate(error?: Error): void
}

export interface ConnectorDialOptions {
  /** Aborts when the connection is not wanted any more; the promise rejects with its reason then, and nothing is left open. */
  readonly signal: AbortSignal
  /** Sub-protocols to offer, best first. */
  readonly protocols: readonly string[]
  /** Only better routes than such a one are wanted; default any will do. */
  readonly betterThan?: RouteQuality
}

/** How the engine gets at connections: over sockets in a program, over simulated ones in a simulator. */
export interface Connector {
  /**
   * Opens a connection to a device that was reported by {@link MeshEngine.found}.
   * @throws whatever says best why there is none; the error is shown on the device's link.
   */
  dial(deviceId: string, displayName: string, options: ConnectorDialOptions): Promise<MeshConnection>
}

/** A device that discovery sees. */
export interface FoundDevice {
  /** Its peer id, or what discovery calls it when it claims none. */
  readonly id: string
  readonly displayName: string
  /** It is seen in a way in which it was not before, so that dialling at once is worth while. */
  readonly fresh: boolean
}

/** Runs work in a later turn of the event loop. */
export interface Scheduler {
  soon(run: () => void): void
}

/** How many links a device keeps. */
export interface LinkDegrees {
  /** Links that a device has where it sees many others, 1 to 10. Up to one more device than this, everybody links with everybody. @default 4 */
  readonly target?: number
  /**
   * Links that a device never exceeds; at least two more than the target, rounded up to an even number, and at most 31.
   * @default twice the target, and three more than it at least
   */
  readonly max?: number
}

/** What peers may say to each other beside replication; the same for all of them. */
export type MeshChannelOptions = Pick<PeerChannelOptions, 'policy' | 'trust' | 'handlers' | 'peerGroup' | 'limits'>

export interface MeshEngineOptions {
  /** 64 hex digits. */
  readonly localPeerId: string
  readonly displayName: string
  readonly connector: Connector
  readonly database: Database
  /** Collections, or their names as `scope.name` or `name`. Default: all that exist when it starts. */
  readonly collections?: readonly (string | MeshCollection)[]
  readonly conflictResolver?: MeshConflictResolver
  /** Which way documents go, seen from here. @default 'push-and-pull' */
  readonly type?: ReplicatorType
  /** Members that are not discovered. */
  readonly members?: readonly MeshMember[]
  readonly deltas?: boolean
  readonly degree?: LinkDegrees
  readonly channel?: MeshChannelOptions
  readonly logger?: Logger
  readonly clock?: Clock
  /** Publishes what happens, see docs/diagnostics.md. @default nothing is published */
  readonly diagnostics?: Diagnostics
  /** @default the event loop */
  readonly scheduler?: Scheduler
  /** Uniform in [0, 1); for jitter and for what need not be guessed. @default Math.random, and unpredictable ids */
  readonly random?: () => number
  /** Where devices stand on the rings; engines in one process may share it. */
  readonly places?: RingPlaces
  /** Writes and reads gossip; engines in one process may share one that does neither. */
  readonly codec?: TopologyCodec
}
