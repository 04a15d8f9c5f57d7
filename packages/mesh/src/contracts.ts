import type { Clock, Logger, PeerDiscovery } from '@kithmesh/core'
import type { Database } from '@kithmesh/database'
import type { Authenticator, Identity } from '@kithmesh/identity'
import type { ConflictResolver, DocumentEvent } from '@kithmesh/replicator'

export interface MeshOptions {
  /** Finds and reaches devices; made with `localPeerId: identity.peerId`. The mesh starts and stops it, its maker shuts it down. */
  readonly discovery: PeerDiscovery
  /** Who we are towards every peer: both TLS client and server. */
  readonly identity: Identity
  /** Who is accepted. There is no default: nobody unknown gets in unless this says so. */
  readonly authenticator: Authenticator
  /**
   * What is kept in sync; stays the caller's to close, after {@link Mesh.stop}. Devices link up when their databases have the same `versioning`;
   * a link with another one shows ERR_REPL_VERSIONING.
   */
  readonly database: Database
  /**
   * Collections to replicate, `scope.name` or `name`; all members of the group use the same. They must exist when the mesh starts.
   * Default: all that exist then. A collection made later takes part from the next start on.
   */
  readonly collections?: readonly string[]
  /** Shown to people on other devices; need not be unique. */
  readonly displayName: string
  /** The database's name in URLs, letters, digits and `._~-`; all members use the same. Default `db`. */
  readonly databaseName?: string
  /** Decides conflicts; must come to the same result on every peer. Default: Couchbase Lite's deterministic one. */
  readonly conflictResolver?: ConflictResolver
  /** Send what changed in a document instead of all of it to members that have this on too; for large documents that change a little. Default false. */
  readonly deltas?: boolean
  readonly logger?: Logger
  readonly clock?: Clock
}

/**
 * - `waiting`: the other side dials, by the rule both compute alike; after some seconds in vain we try it too
 * - `connecting`, `offline`: we dial, now or after a pause
 * - `busy`, `idle`: connected; documents are moving, or both are up to date
 */
export type LinkState = 'waiting' | 'connecting' | 'offline' | 'busy' | 'idle'

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
  /** Whether it leads through a third party; then a direct route is looked for, and moved to, all the time. Undefined while not connected. */
  readonly relayed: boolean | undefined
  /** Why it is not connected, as far as is known; undefined while it is. E.g. ERR_MESH_REFUSED, ERR_IDENTITY_UNTRUSTED, ERR_ROUTE_FAILED. */
  readonly error: Error | undefined
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
   * @throws ERR_PD_START_FAILED when no provider starts, ERR_PD_LISTEN_FAILED and ERR_MESH_NO_LISTENER when nobody could connect to us,
   * ERR_MESH_IDENTITY, ERR_MESH_COLLECTION.
   */
  start(): Promise<void>
  /**
   * Withdraws the publication, stops listening, ends every link in order; resolves when nothing runs any more. The database
   * can be closed then. A peer that does not play along is cut off after ten seconds.
   */
  stop(): Promise<void>
  readonly state: 'stopped' | 'starting' | 'started' | 'stopping'
  /** One entry per known device, in the order of discovery; empty while stopped. A device that is gone is kept while its connection lives. */
  readonly links: readonly MeshLink[]
  readonly statistics: MeshStatistics
  /** Port peers connect to, while started. */
  readonly port: number | undefined
  /** Called, coalesced, after any change of state, links or statistics; the returned function ends it. Exceptions are logged. */
  onChanged(listener: () => void): () => void
  /** Called with the documents that moved or failed, in batches; the returned function ends it. Exceptions are logged. */
  onDocuments(listener: (deviceId: string, events: readonly DocumentEvent[]) => void): () => void
}
