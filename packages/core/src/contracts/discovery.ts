import type { AccessLists } from '../trust/access-lists.ts'
import type { MetadataInput } from './metadata.ts'
import type { NetworkView } from './network.ts'
import type { DevicesChange, PeerDiscoveryObserver } from './observer.ts'
import type { Device, Peer } from './peer.ts'
import type { ProviderMode, ProviderStatus } from './provider.ts'
import type { ConnectionReport, DeviceAssessment } from './report.ts'
import type { ByteSocket } from './socket.ts'
import type { RouteQuality } from './transport.ts'

/** What to publish about this device. */
export interface PublishInput {
  /** Shown to people on other devices; need not be unique. */
  readonly displayName: string
  /** TCP port of this device's own listener, 1–65535. Without it only providers publish that bring connections themselves. */
  readonly port?: number
  /** Published beside `_PID`, the claim of this device's peer id, which is added unless it is given here. */
  readonly metadata?: MetadataInput
}

export interface StartOptions {
  /** Look for peers. @default true */
  readonly browse?: boolean
  /** Be discoverable; without it nothing is published. */
  readonly publish?: PublishInput
}

export interface ConnectOptions {
  /** Cancels: the promise rejects with the signal's reason and nothing is left open. */
  readonly signal?: AbortSignal
  /** Milliseconds until everything is given up. @default 20000 */
  readonly deadlineMs?: number
  /** Only better routes than such a one are wanted, because there is such a one. @default any will do */
  readonly betterThan?: RouteQuality
}

export interface AssessOptions {
  readonly signal?: AbortSignal
  /** Milliseconds for resolving the sightings; what is not resolved by then is in the report. @default 5000 */
  readonly deadlineMs?: number
}

/** An open, unauthenticated stream to a device, and how it came about. */
export interface Connection {
  /** Belongs to the caller, who must end or destroy it. */
  readonly socket: ByteSocket
  /** For people: strategy and address, e.g. `direct 192.168.1.4:4984`. */
  readonly route: string
  /** Name of the strategy that won. */
  readonly strategy: string
  readonly quality: RouteQuality
  /** The sighting that led to it. */
  readonly peer: Peer
  readonly report: ConnectionReport
}

/** One entry of {@link PeerDiscovery.changes}: an observer call as a value. */
export type DiscoveryChange =
  | { readonly type: 'statusChanged'; readonly provider: string; readonly mode: ProviderMode; readonly status: ProviderStatus }
  | { readonly type: 'peersAdded'; readonly peers: readonly Peer[] }
  | { readonly type: 'peersRemoved'; readonly peers: readonly Peer[] }
  | { readonly type: 'peerMetadataChanged'; readonly peer: Peer }
  | ({ readonly type: 'devicesChanged' } & DevicesChange)
  | { readonly type: 'connectionReport'; readonly report: ConnectionReport }

export interface ChangesOptions {
  /** Ends the iteration without an error. */
  readonly signal?: AbortSignal
  /** Entries kept for a slow reader; the oldest are dropped beyond it. @default 1024 */
  readonly capacity?: number
}

/** For `for await`; leaving the loop, the signal and the shutdown end it. */
export interface DiscoveryChanges extends AsyncIterableIterator<DiscoveryChange> {
  /** Entries lost so far because the reader was too slow. */
  readonly dropped: number
  next(): Promise<IteratorResult<DiscoveryChange, undefined>>
  return(): Promise<IteratorResult<DiscoveryChange, undefined>>
}

export interface DiscoveryListenOptions {
  /**
   * A peer connected; the callee owns the stream, which is unauthenticated.
   * `remote` is where it comes from, e.g. `192.168.1.4:50312`, `strategy` names the transport that accepted it.
   */
  readonly onConnection: (socket: ByteSocket, remote: string, strategy: string, quality: RouteQuality) => void
}

/** The passive sides of all transports together. */
export interface DiscoveryListener {
  /** TCP port of the first transport that has one: what {@link PeerDiscovery.startPublishing} wants to know. */
  readonly port: number | undefined
  /** `host:port` pairs, of all transports. */
  readonly addresses: readonly string[]
  /** Stops accepting; accepted streams live on. Idempotent. */
  close(): Promise<void>
}

/**
 * Finds the devices of a peer group and connects to them; made by `createPeerDiscovery`.
 *
 * Browsing and publishing can be started and stopped any number of times; {@link PeerDiscovery.shutdown} is final, after it
 * every operation rejects with ERR_PD_SHUT_DOWN and the lists are empty.
 */
export interface PeerDiscovery {
  readonly peerGroupId: string
  /** This device's peer id, 64 lowercase hex digits. */
  readonly localPeerId: string
  /** Names of the providers, in the order they were given. */
  readonly providers: readonly string[]
  /** Names of the transports, in the order they were given. */
  readonly transports: readonly string[]
  /** Who may connect to this device and be connected to. Changes count at once, also for connections that are being made. */
  readonly access: AccessLists
  /** This machine's network as it is known now. Measured, where there is a probe, from the first start or listen on. */
  readonly network: NetworkView

  /** @throws ERR_PD_UNKNOWN_PROVIDER */
  status(provider: string, mode: ProviderMode): ProviderStatus
  /** All current sightings, a snapshot, in the order of their appearance. */
  readonly peers: readonly Peer[]
  peerWithId(id: string): Peer | undefined
  /** All current devices, a snapshot, in the order of their appearance. */
  readonly devices: readonly Device[]
  deviceWithId(id: string): Device | undefined

  /**
   * Starts browsing and, when asked to, publishing, side by side. Rejects as {@link PeerDiscovery.startBrowsing} does;
   * what could be started stays started.
   */
  start(options?: StartOptions): Promise<void>
  /**
   * Resolves when every provider has started or failed; a failed one is in `status` and may be tried again by another call.
   * @throws ERR_PD_START_FAILED when all failed, with an AggregateError of their errors as the cause.
   */
  startBrowsing(): Promise<void>
  /** Resolves when all providers have stopped; all peers are gone then. A provider that fails to stop is logged and in `status`. */
  stopBrowsing(): Promise<void>
  /**
   * Makes this device discoverable through every provider that can. Other options than before replace the publication.
   * @throws ERR_PD_START_FAILED when all failed; ERR_PD_UNSUPPORTED when no provider can publish; ERR_PD_METADATA;
   * ERR_PD_PUBLISH_OPTIONS for an unusable display name or port.
   */
  startPublishing(options: PublishInput): Promise<void>
  stopPublishing(): Promise<void>
  /**
   * Replaces the published metadata (the claim of the peer id stays).
   * @throws ERR_PD_NOT_PUBLISHING, ERR_PD_METADATA, ERR_PD_UPDATE_FAILED when all providers failed, with an AggregateError as the cause.
   */
  updateMetadata(metadata: MetadataInput): Promise<void>

  /** Registers an observer once; the returned function removes it. See {@link PeerDiscoveryObserver} for what it may rely on. */
  addObserver(observer: PeerDiscoveryObserver): () => void
  removeObserver(observer: PeerDiscoveryObserver): void
  /** The observer calls from now on as an async iterator. */
  changes(options?: ChangesOptions): DiscoveryChanges

  /**
   * Opens a byte stream to a device by the best route there is: every transport is tried on every sighting, one after the other
   * in quick succession, and the first stream wins.
   * @throws ERR_PD_UNKNOWN_DEVICE when it is not listed; ERR_ROUTE_NONE when there is nothing to try; ERR_ROUTE_FAILED when
   * everything failed or the deadline passed, with an AggregateError as the cause; ERR_ACCESS_REFUSED when the access lists refuse the
   * device, or come to do so meanwhile; the signal's reason when cancelled; TypeError for a deadline that makes no sense.
   */
  connect(device: Device | string, options?: ConnectOptions): Promise<Connection>
  /**
   * What was tried in the latest `connect` to this device, also while it runs; undefined when there was none. One with
   * `betterThan` counts once it has succeeded.
   */
  explain(device: Device | string): ConnectionReport | undefined
  /**
   * How a device would be connected to, without doing so: where it is seen, which strategies would be tried in which order, which would not,
   * and what the access rules forbid. Sightings are resolved, which may ask the network; nobody is connected to. For devices that
   * {@link PeerDiscovery.explain} has nothing to say of, as nobody tried.
   * @throws ERR_PD_UNKNOWN_DEVICE when it is not listed; the signal's reason
   */
  assess(device: Device | string, options?: AssessOptions): Promise<DeviceAssessment>

  /**
   * Accepts connections of peers through every transport that has a passive side, until the returned listener is closed.
   * Streams arrive unauthenticated; the callee owns them.
   * @throws ERR_PD_LISTEN_FAILED when no transport listens, with their errors as the cause.
   */
  listen(options: DiscoveryListenOptions): Promise<DiscoveryListener>

  /**
   * Stops everything for good: running operations are cancelled, providers and transports shut down side by side within a
   * deadline each, observers see the last removals. Idempotent.
   * @throws ERR_CORE_DISPOSE when a plugin failed to shut down; the rest is shut down nevertheless.
   */
  shutdown(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
