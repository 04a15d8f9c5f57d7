/**
 * What a replicator needs of a collection, beyond what applications use. Exported as `@kithmesh/database/replication`.
 * Everything is synchronous and transactional, in batches, because a transaction per document would rule the speed.
 */
export interface ReplicationStore {
  /** How revisions are named and ordered: `N-digest` in trees (cbmobile.md §14), `time@source` in vectors (§15). */
  readonly versioning: DocumentVersioning
  /** Stable private identity of this database instance; a copy gets a new one (cbmobile.md §4). */
  readonly privateUuid: string
  readonly publicUuid: string
  collection(scope: string, name: string): ReplicationCollection | undefined
  readonly blobs: BlobAccess
  /** Checkpoints that remote clients keep with us; opaque bytes with a check-and-set revision (cbmobile.md §4). */
  getPeerCheckpoint(client: string): { readonly rev: string; readonly body: Uint8Array } | undefined
  /** Returns the new revision, or undefined when `rev` is not the stored one (both empty: create). */
  setPeerCheckpoint(client: string, rev: string, body: Uint8Array): string | undefined
  /** Our own checkpoints, by checkpoint id. */
  getLocalCheckpoint(id: string): Uint8Array | undefined
  setLocalCheckpoint(id: string, body: Uint8Array | undefined): void
}

/** `rev-trees`: Couchbase Lite up to 3.x. `version-vectors`: Couchbase Lite 4.x. */
export type DocumentVersioning = 'rev-trees' | 'version-vectors'

export interface ChangeEntry {
  readonly sequence: number
  readonly id: string
  readonly revId: string
  readonly deleted: boolean
  readonly conflicted: boolean
  readonly bodySize: number
  /** The revision last known to be current at the remote that was asked for, empty when none is; absent when none was asked for. */
  readonly remoteRevId?: string
  /** Others have this revision, as far as is known: it came from a peer, or some remote is noted to have it. Absent where `remoteRevId` is. */
  readonly elsewhere?: boolean
}

export interface RevisionForPush {
  readonly id: string
  readonly revId: string
  readonly sequence: number
  readonly deleted: boolean
  /** JSON bytes as stored; `{}` for an empty tombstone. */
  readonly body: Uint8Array
  /**
   * Without `revId` itself. Trees: ancestors, newest first. Vectors: the rest of the vector in its order, merge versions, then previous ones,
   * then revision ids from before the database had vectors.
   */
  readonly history: readonly string[]
  /** Vectors: how many of the first entries of `history` are merge versions; 0 when absent. */
  readonly merges?: number
  /** The body mentions at least one blob. */
  readonly hasBlobs: boolean
}

export interface IncomingRevision {
  readonly id: string
  readonly revId: string
  readonly deleted: boolean
  /** As in {@link RevisionForPush}. Ancestors of trees may stop early or name unknown ones. */
  readonly history: readonly string[]
  /** As in {@link RevisionForPush}. */
  readonly merges?: number
  /** JSON object, validated by `checkBody`, without reserved top-level keys. */
  readonly body: Uint8Array
  readonly hasBlobs: boolean
  /**
   * `refuse`: a revision that would branch is answered with `conflict` and not stored (passive peers).
   * `branch`: it is stored as a conflict for the resolver (active peers).
   */
  readonly onConflict: 'refuse' | 'branch'
  /**
   * Bookkeeping: this revision is now known to be the current one at that remote (see `remoteAncestor`). Not noted when it is refused:
   * naming a revision that ours do not descend from as the parent of a proposal would overwrite it.
   */
  readonly remote?: number
  /**
   * The sender resolved a conflict and ended the branch that is current here with this tombstone (`deleted_branch`, cbmobile.md §8).
   * Believed only when it is the tombstone that `closingTombstone` computes for our current revision; then the revision is
   * stored without a conflict although it does not descend from ours, and closes it.
   */
  readonly deletedBranch?: string
}

/** Per revision, in the order given. */
export type InsertOutcome =
  | {
      readonly status: 'stored'
      readonly sequence: number
      /**
       * Current in its place, and to be announced to the sender too: a child made here because the sender decided against the common order, or
       * what it loses to.
       */
      readonly successor?: string
    }
  | { readonly status: 'conflicted'; readonly sequence: number }
  /** Already there, or an ancestor of what is there. */
  | { readonly status: 'known' }
  /** Refused, with the local current revision. */
  | { readonly status: 'conflict'; readonly revId: string }
  | { readonly status: 'failed'; readonly error: Error }

export interface ReplicationCollection {
  readonly scope: string
  readonly name: string
  readonly lastSequence: number
  /**
   * Ascending by sequence, at most `limit`.
   * @param remote number of a remote whose revisions are to be told with the changes (see `remoteAncestors`, which would read them again).
   */
  changesSince(since: number, limit: number, remote?: number): ChangeEntry[]
  /** The current change of one document. */
  change(id: string): ChangeEntry | undefined
  /** Called (coalesced, in a later tick) after local or foreign-process commits; the returned function ends it. */
  onChanged(listener: () => void): () => void
  /**
   * The named revision, or the current one when `revId` is undefined. Undefined when it is gone (superseded and pruned, or purged).
   */
  revision(id: string, revId?: string): RevisionForPush | undefined
  /** The current revisions of several documents, in the order given; much faster than one by one when they are neighbours by sequence. */
  revisions(entries: readonly { readonly id: string; readonly sequence: number }[]): (RevisionForPush | undefined)[]
  /**
   * The body of a revision that is no deletion: the current one, a rival in a conflict, or a replaced one that was kept (see `keepBases`). It is
   * what deltas are made from and applied to (delta.md §1). Without this method deltas are not used.
   */
  bodyOf?(id: string, revId: string): Uint8Array | undefined
  /**
   * A peer replicates this collection that may take deltas: from now on bodies that are replaced while a peer may be at them are kept, a few per
   * document. Cheap to call.
   */
  keepBases?(peer: DeltaPeer): void
  /**
   * For an incoming `changes` list (cbmobile.md §6), per entry: `known` when the revision or a descendant is here,
   * otherwise the ancestors the peer may build on, newest first, at most ten. Vectors: the current version, and those in conflict with it;
   * a version that lost here although it is later than ours is asked for, because only its vector tells whether the peer decided otherwise.
   * @param remote of the peer. Vectors: the version it was last known to have is told too while its body is kept, for a delta, because the peer
   * need not know what was made here since.
   */
  findMissing(entries: readonly { readonly id: string; readonly revId: string }[], remote?: number): (readonly string[] | 'known')[]
  /**
   * For an incoming `proposeChanges` list (cbmobile.md §7): 0, 304, or 409 with our current revision. Vectors: both ids may be whole vectors,
   * and the 409 comes with our whole vector, as from Couchbase Lite; `parseVector` and `headOf` read it, `vectorCovers` tells whether one
   * may propose again with it as the parent.
   */
  checkProposals(
    entries: readonly { readonly id: string; readonly revId: string; readonly parentRevId: string }[]
  ): (0 | 304 | { readonly status: 409; readonly rev: string })[]
  /** Inserts foreign revisions in one transaction. One bad revision fails alone. Blobs must already be stored. */
  insertRevisions(revisions: readonly IncomingRevision[]): InsertOutcome[]
  /** Documents in conflict, for the resolver. */
  conflicts(limit: number, afterId?: string): ConflictedDocument[]
  conflict(id: string): ConflictedDocument | undefined
  /**
   * Ends a conflict between the local branch and one remote leaf: of the two the one that ranks higher (`compareRevisions`) stays, with
   * the outcome as its child unless it is what the higher one says already; the other is closed. The change gets a new sequence.
   * Vectors: an outcome that says what one side says is a trivial merge under that side's version, any other a true merge under a new one.
   * @throws ERR_DB_CONFLICT when either is no longer a leaf.
   */
  resolveConflict(id: string, localRevId: string, remoteRevId: string, resolution: ConflictResolution): ChangeEntry
  /**
   * When the branch that `revId` belongs to lost here: the id of the tombstone by which Couchbase Lite ends that branch at `revId`.
   * What a pusher sends as `deletedBranch` to a peer whose current revision is `revId`, because no history it could send contains it.
   * Always undefined in vectors, which need no such thing.
   */
  closingTombstone(id: string, revId: string): string | undefined
  /**
   * For a peer that refuses, `deletedBranch` or not, what does not descend from its current revision (Sync Gateway): the current content
   * becomes a child of `onto`, a lost branch's revision, and outranks the revision that had it. A new change; false when `onto` is no such revision.
   * Vectors: for a peer that decided a conflict otherwise and refuses our decision. `onto` is its version, better its whole vector, and must be
   * covered here; the current content gets a new version above both.
   */
  graft?(id: string, onto: string): boolean
  /**
   * Removes every trace of the documents, in one transaction, and tells what was there of them.
   * @param mayGo asked in that transaction about each, so that what another process wrote since is seen; false keeps the document.
   * @param remote as in `changesSince`: what is asked about tells its revision.
   */
  purge(ids: readonly string[], mayGo?: (entry: ChangeEntry) => boolean, remote?: number): ChangeEntry[]
  /** Small integer for a remote's stable id, to be given in `remote`. */
  remoteId(uid: string): number
  /**
   * Forgets what is known about a remote, because it is not what it was: a new database under the same id, or an older state of it.
   * Returns its new integer; what was noted under the old one counts no more.
   */
  renewRemote(uid: string): number
  /** The revision last known to be current at the remote; never a whole vector. */
  remoteAncestor(remote: number, id: string): string | undefined
  /** Several at once; with their sequences, neighbours are read together. */
  remoteAncestors(remote: number, entries: readonly { readonly id: string; readonly sequence?: number }[]): (string | undefined)[]
  /** Records that the remote has these revisions as current; one transaction. */
  setRemoteAncestors(remote: number, entries: readonly { readonly id: string; readonly revId: string; readonly sequence?: number }[]): void
}

/** What a replicator has found out about a peer, for `keepBases`. */
export interface DeltaPeer {
  /** It said so: bases are kept for good. Undefined: not known yet; they are kept for now. */
  readonly takesDeltas: boolean | undefined
  /** A peer without a number of its own (see `remote`) has all changes up to this sequence. */
  readonly served?: number
  /** `served` is to be remembered beyond this process; for every now and then. */
  readonly durably?: boolean
}

export type ConflictResolution =
  | { readonly take: 'local' }
  | { readonly take: 'remote' }
  | { readonly take: 'merged'; readonly body: Uint8Array }
  | { readonly take: 'deleted' }

export interface ConflictedDocument {
  readonly id: string
  readonly local: RevisionForPush
  readonly remote: RevisionForPush
}

export interface BlobAccess {
  has(digest: string): boolean
  /** Length in bytes, or undefined when absent. */
  size(digest: string): number | undefined
  /** The whole blob; for small ones. */
  read(digest: string): Promise<Buffer | undefined>
  /** The whole blob at once, read synchronously like a document; undefined when it is absent or larger than `maxBytes`. */
  readNow(digest: string, maxBytes: number): Buffer | undefined
  /** The blob to be read piece by piece, synchronously; undefined when it is absent or larger than `maxBytes`, or when as many are open as may be. */
  openReader(digest: string, maxBytes?: number): BlobReader | undefined
  /** A stream over the blob's bytes; undefined when absent. */
  openRead(digest: string): AsyncIterable<Buffer> | undefined
  /**
   * Receives a blob piece by piece; `commit` makes it visible and durable once digest and length are right.
   * @throws (commit) ERR_DB_BLOB_MISMATCH, nothing stored. `abort` and a crash leave nothing behind that counts.
   */
  openWrite(expected: { readonly digest: string; readonly length?: number }): BlobWriter
}

/** An open blob. Whoever opened it closes it. */
export interface BlobReader {
  /** Bytes of the blob. */
  readonly length: number
  /** Fills `target[offset, offset + length)` with the bytes from `position` on. Throws when it cannot. */
  read(target: Uint8Array, offset: number, length: number, position: number): void
  close(): void
}

export interface BlobWriter {
  /** The piece is free again, and more may come, once what is returned, if anything, has resolved. Throws, or rejects, when it cannot be stored. */
  write(piece: Uint8Array): Promise<void> | undefined
  commit(): Promise<void>
  abort(): Promise<void>
}
