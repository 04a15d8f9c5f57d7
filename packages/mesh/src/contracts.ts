import type { PeerChannel } from '@kithmesh/channel'
import type {
  ActiveConnection,
  Clock,
  DiagnosticTraffic,
  InboundEntry,
  InboundQueueOptions,
  IncomingPeer,
  KnownPeers,
  Logger,
  ObservableList,
  PeerDiscovery,
  RouteQuality
} from '@kithmesh/core'
import type { Database } from '@kithmesh/database'
import type { DocumentEvent, ReplicatorType } from '@kithmesh/replicator'
import type { DeviceExplanation } from './explanation.ts'
import type { QuarantinedDevice } from './topology/quarantine.ts'
import type { MeshCollection, MeshConflictResolver } from './engine/collections.ts'
import type { MeshMember } from './members/member-link.ts'
import type { MeshOutcome } from './one-shot.ts'
import type { Authenticator, Identity, RevocationList } from '@kithmesh/identity'
import type { InboundLimits } from './admission/admission.ts'
import type { LinkDegrees, MeshChannelOptions } from './engine/contracts.ts'

export interface MeshOptions {
  /** Finds and reaches devices; made with `localPeerId: identity.peerId`. The mesh starts and stops it, its maker shuts it down. */
  readonly discovery: PeerDiscovery
  /** The group, where a program has several and wants to be sure: another one than that of the discovery is a TypeError. @default the discovery's */
  readonly peerGroupId?: string
  /** Who we are towards every peer: both TLS client and server. */
  readonly identity: Identity
  /** Who is accepted. @default `onlyKnownPeers(knownPeers)`: nobody unknown gets in */
  readonly authenticator?: Authenticator
  /** Instead of an authenticator: everybody is accepted. Logged as a warning. */
  readonly insecure?: true
  /**
   * Whom this device has met; blocked ones are refused whatever the authenticator says, also while they are connected. Started by the mesh
   * and stopped by its maker, as others may use it, e.g. `pairing`. @default a list without a store
   */
  readonly knownPeers?: KnownPeers
  /** Whoever is in it is refused, also while connected. Started by the mesh. */
  readonly revocations?: RevocationList
  /**
   * Decides on each device that connects to this one, after its certificate was accepted and before anything else happens: `accept`,
   * `reject`, or `hold`, which puts it into {@link Mesh.pending}. Devices that this one connects to are not asked about, but for those that
   * wait for a decision. @default everybody is accepted whom the authenticator accepts
   */
  readonly onIncomingPeer?: NonNullable<InboundQueueOptions<IncomingPeer>['onIncomingPeer']>
  /** Bounds of {@link Mesh.pending}. */
  readonly inbound?: InboundLimits
  /**
   * What is kept in sync; stays the caller's to close, after {@link Mesh.stop}. Devices link up when their databases have the same `versioning`;
   * a link with another one shows ERR_REPL_VERSIONING.
   */
  readonly database: Database
  /**
   * Collections to replicate, with filters and a resolver if need be, or their names as `scope.name` or `name`; all members of the group use the same.
   * They must exist when the mesh starts. Default: all that exist then. A collection made later takes part from the next start on.
   */
  readonly collections?: readonly (string | MeshCollection)[]
  /** Which way documents go, seen from here. Of two devices each does what both want. @default 'push-and-pull' */
  readonly type?: ReplicatorType
  /**
   * False: the mesh stops by itself once it was up to date with every device that it links with, or after half a minute without finding any;
   * see {@link Mesh.finished}. @default true
   */
  readonly continuous?: boolean
  /** Members at fixed places, such as a Sync Gateway: this device bridges between them and the mesh. They are links like the others. */
  readonly members?: readonly MeshMember[]
  /** Shown to people on other devices; need not be unique. */
  readonly displayName: string
  /** The database's name in URLs, letters, digits and `._~-`; all members use the same. Default `db`. */
  readonly databaseName?: string
  /** Decides conflicts; must come to the same result on every peer. Default: Couchbase Lite's deterministic one. */
  readonly conflictResolver?: MeshConflictResolver
  /** Send what changed in a document instead of all of it to members that have this on too; for large documents that change a little. Default false. */
  readonly deltas?: boolean
  /** How many links this device keeps where it sees many others; all members may have their own. */
  readonly degree?: LinkDegrees
  /** What members may say to each other beside replication. */
  readonly channel?: MeshChannelOptions
  readonly logger?: Logger
  readonly clock?: Clock
}

/**
 * - `standby`: seen, and there is no need of a link with it
 * - `waiting`: the other side dials, by the rule both compute alike; after some seconds in vain we try it too
 * - `connecting`, `offline`: we dial, now or after a pause
 * - `busy`: connected; documents are moving, or the two are still finding out whether they trust each other
 * - `idle`: connected, and both are up to date
 * - `restricted`: connected, but one of the two does not trust the other; no documents move
 * - `quarantined`: it misbehaved, and is left alone for a while
 */
export type LinkState = 'standby' | 'waiting' | 'connecting' | 'offline' | 'busy' | 'idle' | 'restricted' | 'quarantined'

/** What moved between this device and another one since the mesh was created, over all connections. */
export type LinkTraffic = DiagnosticTraffic

/** The one link with one device, as it is now. A snapshot. */
export interface MeshLink {
  /**
   * Peer id (SHA-256 of the certificate), proven once connected. A device that claims none is listed under the id
   * that discovery gave it.
   */
  readonly deviceId: string
  readonly displayName: string
  readonly state: LinkState
  /** Who dialled; undefined while not connected. */
  readonly direction: 'outgoing' | 'incoming' | undefined
  /** Transport and the other side's address, e.g. `direct 192.168.1.4:4984`; undefined while not connected. */
  readonly route: string | undefined
  /** While it is not `direct`, a better route is looked for, and moved to, all the time. Undefined while not connected. */
  readonly quality: RouteQuality | undefined
  /** Why it is not connected, as far as is known; undefined while it is. E.g. ERR_MESH_REFUSED, ERR_IDENTITY_UNTRUSTED, ERR_ROUTE_FAILED. */
  readonly error: Error | undefined
  /** Of the devices that were connected, the latest 1,024 are remembered; of the others nothing moved. */
  readonly traffic: LinkTraffic
}

/** A link without its counters. */
export type LinkFacts = Omit<MeshLink, 'traffic'>

/** A device of the mesh as gossip tells of it, whether or not it is linked with this one. A snapshot. */
export interface MeshPeer {
  readonly peerId: string
  /** As far as it is known. */
  readonly displayName: string | undefined
  /** Devices that it and they say are linked; the first 16 digits of the peer id where no more is known. */
  readonly neighbours: readonly string[]
  /** It hangs together with this device, over however many others. */
  readonly reached: boolean
  /** Our own link with it, if it is known to discovery or linked. */
  readonly link: MeshLink | undefined
}

/** Totals since the mesh was created, of all links, those that have ended included. */
export interface MeshStatistics {
  readonly documentsIn: number
  readonly documentsOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  /** Conflicts that this peer resolved. */
  readonly conflicts: number
}

/** Keeps a database in sync with every device of a group. `start` and `stop` are idempotent and restartable. */
export interface Mesh extends AsyncDisposable {
  /**
   * Listens, publishes and browses; resolves once all of it works.
   * When it fails, everything is undone. A `stop` meanwhile makes it reject with an AbortError.
   * @throws ERR_PD_START_FAILED when no provider starts, ERR_PD_LISTEN_FAILED and ERR_PD_PUBLISH_OPTIONS when nobody could connect to us,
   * ERR_MESH_IDENTITY, ERR_MESH_COLLECTION.
   */
  start(): Promise<void>
  /**
   * Withdraws the publication, stops listening, ends every link in order; resolves when nothing runs any more. The database
   * can be closed then. A peer that does not play along is cut off after ten seconds.
   */
  stop(): Promise<void>
  readonly state: 'stopped' | 'starting' | 'started' | 'stopping'
  /**
   * With `continuous: false`: resolves when the mesh has stopped after it was up to date with its neighbours, or when it is stopped before; with what it came
   * to. Otherwise when it is stopped.
   */
  finished(): Promise<MeshOutcome>
  /** One entry per known device, in the order of discovery; empty while stopped. A device that is gone is kept while its connection lives. */
  readonly links: readonly MeshLink[]
  readonly statistics: MeshStatistics
  /**
   * Who is in the mesh and linked with whom, this device first: what neighbours tell of themselves and of others. A snapshot made when it is asked for;
   * it lags behind by seconds. Empty while stopped.
   */
  readonly topology: readonly MeshPeer[]
  /** Devices that are kept away for a while because they misbehaved, and why. */
  readonly quarantined: readonly QuarantinedDevice[]
  /** Lets a device in again at once that is kept away. */
  release(peerId: string): void
  /** Why there is a link with a device, or none: what was decided about it, until when, and what was tried to reach it. */
  explain(peerId: string): DeviceExplanation
  /**
   * What this program and a peer say to each other beside documents. It may be asked for before there is a connection, and lives across connections
   * and restarts of the mesh. @throws TypeError for what is no peer id
   */
  channel(peerId: string): PeerChannel
  /** Calls back with every channel, those that are there and new ones before anything comes over them; the returned function ends it. */
  onChannel(listener: (channel: PeerChannel) => void): () => void
  /** Whom this device has met. */
  readonly knownPeers: KnownPeers
  /** Devices that want to come in, on which somebody has to decide. */
  readonly pending: ObservableList<InboundEntry<IncomingPeer>>
  /** All connections, those to be replaced by better ones and those without trust included. */
  readonly connections: ObservableList<ActiveConnection>
  /** Port peers connect to, while started. */
  readonly port: number | undefined
  /** Called, coalesced, after any change of state, links or statistics; the returned function ends it. Exceptions are logged. */
  onChanged(listener: () => void): () => void
  /** The links after every change, for `for await`; a slow reader gets the newest only. Leaving the loop or the signal ends it. */
  changes(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<readonly MeshLink[]>
  /** Called with the documents that moved or failed, in batches; the returned function ends it. Exceptions are logged. */
  onDocuments(listener: (deviceId: string, events: readonly DocumentEvent[]) => void): () => void
}
