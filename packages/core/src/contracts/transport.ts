import type { Clock } from './clock.ts'
import type { DialPolicy, IncomingClaims } from './incoming.ts'
import type { Logger } from './logger.ts'
import type { NetworkFacts, NetworkView } from './network.ts'
import type { Device, Peer, ResolvedUrl } from './peer.ts'
import type { Signaling } from './signaling.ts'
import type { ByteSocket } from './socket.ts'

/**
 * How good a way to a device is: between the two alone over a network; through a third party; or over what is slow or costly, as a radio is,
 * and serves until anything else works.
 */
export type RouteQuality = 'direct' | 'relayed' | 'last-resort'

/** What a strategy can do. Frozen. */
export interface TransportCapabilities {
  /** Has a passive side: `listen` exists. */
  readonly listens: boolean
  /** Bytes pass through a third party. */
  readonly relayed: boolean
}

/** The remote end of an attempt: one sighting of the wanted device, resolved. */
export interface ConnectTarget {
  readonly device: Device
  readonly peer: Peer
  readonly resolved: ResolvedUrl
  /** This machine's network when the race began; the remote one's is in `resolved.network`, where the provider tells. */
  readonly localNetwork: NetworkFacts
  /**
   * Why an address may not be connected to. Those in `resolved` have been asked about; to be asked about others, e.g. those that a name
   * stands for. What is connected to one of them is thrown away.
   */
  readonly refuses?: (address: string) => string | undefined
}

export type Assessment =
  | {
      readonly usable: true
      /** Lower starts earlier; 0 is the best. */
      readonly rank: number
      /**
       * Milliseconds that later strategies wait while this one is under way, for one that is likely to succeed but takes longer than the
       * usual 250. It ends early when this one fails. At most 5,000; what is no length of time counts as not given.
       */
      readonly holdMs?: number
    }
  | { readonly usable: false; readonly reason: string }

export interface AttemptOptions {
  readonly signal: AbortSignal
  /** Called when the attempt enters a phase or tries an address; feeds the connection report. */
  readonly progress: (phase: string, address?: string) => void
}

/** What a strategy is given at composition. */
export interface TransportContext {
  readonly localPeerId: string
  readonly logger: Logger
  readonly clock: Clock
  /** Reaches peers that cannot be dialled yet; reaches nobody when no provider has a channel. */
  readonly signaling: Signaling
  readonly network: NetworkView
  readonly claims: IncomingClaims
  /** To be asked before a connection is opened to an address that a peer named in a signalling message. */
  readonly dialPolicy: DialPolicy
  /** The TCP port that other strategies of this discovery accept connections on, e.g. `direct`'s; undefined while there is none. */
  listeningPort(): number | undefined
}

/** One way of getting a byte stream to a device: direct, reverse, hole punch, relay. */
export interface TransportStrategy {
  readonly name: string
  readonly capabilities: Readonly<TransportCapabilities>
  /** Pure and quick: whether the target can be tried at all, and how early. */
  assess(target: ConnectTarget): Assessment
  /** Resolves with an open, unauthenticated stream; rejects within a bound, or with the signal's reason. No stream leaks on either. */
  attempt(target: ConnectTarget, options: AttemptOptions): Promise<ByteSocket>
  /** Accepts connections of peers until the listener is closed. */
  listen?(options: ListenOptions): Promise<TransportListener>
  shutdown(): Promise<void>
}

export interface ListenOptions {
  /** A peer connected; the callee owns the stream. */
  readonly onConnection: (socket: ByteSocket, remote: string) => void
}

export interface TransportListener {
  /** TCP port, where there is one. */
  readonly port: number | undefined
  /** `host:port` pairs peers may try. */
  readonly addresses: readonly string[]
  /** Stops accepting; accepted streams live on. Idempotent. */
  close(): Promise<void>
}

export interface TransportFactory {
  readonly name: string
  readonly contractVersion: number
  readonly capabilities: Readonly<TransportCapabilities>
  create(context: TransportContext): TransportStrategy
}

/** Version of the transport contract in this file. */
export const TRANSPORT_CONTRACT_VERSION = 1
