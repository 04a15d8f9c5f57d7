/**
 * What a database needs from a store. Deliberately synchronous: every call runs inside one transaction on one thread,
 * which is what embedded stores (SQLite, LMDB) are fastest at, and a transaction cannot be interleaved by accident.
 * A third party proves an engine with `describeStorageEngine` of `@kithmesh/testkit`.
 */
export interface StorageEngineFactory {
  /** Names the engine in `database.json` of a database directory: `sqlite`, `memory`. */
  readonly name: string
  readonly capabilities: Readonly<StorageCapabilities>
  /**
   * Opens or creates the store in an existing directory (ignored by engines that keep nothing on disk).
   * @throws ERR_DB_UNREADABLE when what is there is not a store or is damaged, ERR_DB_LOCKED when another process holds it
   * exclusively, ERR_DB_DISK_FULL.
   */
  open(directory: string): StorageEngine
}

export interface StorageCapabilities {
  /** What a finished `transact` wrote survives the death of the process at any instant. */
  readonly durable: boolean
  /** Several processes may have the same directory open; writers wait for each other. */
  readonly multiProcess: boolean
}

export interface StorageEngine {
  /**
   * Runs `work` as one atomic, durable transaction: all of its writes are there afterwards, or none if it throws
   * (the error is passed on). Not nestable. With `multiProcess`, no other writer runs meanwhile.
   * @param options `relaxed`: what is written may be undone by a power cut (never by the death of the process), if that is cheaper; for
   * bookkeeping that can be found out again.
   * @throws ERR_DB_DISK_FULL, ERR_DB_LOCKED after five seconds of waiting for another process, ERR_DB_IO.
   */
  transact<T>(work: (writer: StorageWriter) => T, options?: { readonly relaxed?: boolean }): T
  /** Reads outside a transaction see the last committed state. */
  readonly reader: StorageReader
  /** Grows whenever another process committed; equal numbers mean that caches are still right. Cheap. */
  dataVersion(): number
  /** Reclaims space; may take long. */
  compact(): void
  /** Throws ERR_DB_UNREADABLE with what is damaged. */
  checkIntegrity(): void
  /** Writes a consistent copy into an empty directory. */
  copyTo(directory: string): void
  close(): void
}

/** One document as stored: its winning revision inline, the rest of its tree in `tree`. */
export interface StoredDocument {
  readonly id: string
  /** Grows by one with every write to the collection; 1 is the first. */
  readonly sequence: number
  /** Winning revision id. */
  readonly revId: string
  readonly flags: number
  /**
   * The winning revision's body: JSON bytes exactly as they came in, an object. Empty for tombstones without one.
   */
  readonly body: Uint8Array
  /** Opaque to the engine, but for {@link TREE_PREFIX}: history and other leaves, see `rev-tree.ts`. */
  readonly tree: Uint8Array
}

/** The first byte of a tree with a prefix: what remotes have comes before history and leaves, see `remote-list.ts`. */
export const TREE_PREFIX = 3

/**
 * Bits of {@link StoredDocument.flags}. `received`: the winning revision came from a peer that is not noted by name. `hasBases`: bodies of
 * replaced revisions are kept, see `base-bodies.ts`.
 */
export const DocumentFlag = { deleted: 1, conflicted: 2, hasBlobs: 4, received: 8, hasBases: 16 } as const

/** What change lists need, without the body. */
export interface StoredChange {
  readonly id: string
  readonly sequence: number
  readonly revId: string
  readonly flags: number
  readonly bodySize: number
  /** As in {@link StoredDocument} if it has a {@link TREE_PREFIX}: reading it along costs less than asking again. Without one it may be left out. */
  readonly tree: Uint8Array
}

export interface StorageReader {
  collections(): readonly { readonly id: number; readonly scope: string; readonly name: string }[]
  get(collection: number, id: string): StoredDocument | undefined
  /** Without the body. */
  getChange(collection: number, id: string): StoredChange | undefined
  /** Documents with `sequence > since` in ascending order, at most `limit`, without bodies. */
  changesSince(collection: number, since: number, limit: number): StoredChange[]
  /** The same with bodies. */
  documentsSince(collection: number, since: number, limit: number): StoredDocument[]
  /** Live (not deleted) documents with `id > after` in binary order of UTF-8, at most `limit`. */
  documentsAfter(collection: number, after: string, limit: number): StoredDocument[]
  lastSequence(collection: number): number
  /** Live documents. */
  count(collection: number): number
  /** Small named values: checkpoints, identities, remote ancestors; `space` separates uses. */
  getValue(space: string, key: string): Uint8Array | undefined
  valuesIn(space: string): { readonly key: string; readonly value: Uint8Array }[]
}

/** What {@link StorageWriter.prefixTree} writes, and of which document. */
export interface TreePrefix {
  readonly id: string
  readonly sequence: number
  readonly revId: string
  /** Begins with {@link TREE_PREFIX}. */
  readonly prefix: Uint8Array
  /** A document with one of these flags ({@link DocumentFlag}) is left as it is. */
  readonly unlessFlags: number
}

export interface StorageWriter extends StorageReader {
  /** Returns the collection's id, making it if necessary. */
  createCollection(scope: string, name: string): number
  /** Removes a collection and all in it. */
  dropCollection(collection: number): void
  /**
   * Stores a document under the next sequence of its collection, replacing an earlier version; returns the sequence.
   * @param existing the earlier version, when the caller has read it in this transaction; it may save looking for it.
   */
  put(collection: number, document: Omit<StoredDocument, 'sequence'>, existing?: StoredDocument): number
  /**
   * Stores a document that is not there yet, as `put` does; undefined, and nothing changed, when one of that id is. Optional: saves looking
   * for documents that are new.
   */
  putNew?(collection: number, document: Omit<StoredDocument, 'sequence'>): number | undefined
  /** Changes flags and tree without a new sequence (e.g. pruning). Unknown ids are ignored. */
  update(collection: number, id: string, change: { readonly flags: number; readonly tree: Uint8Array }): void
  /**
   * Puts a prefix in front of a document's tree, without a new sequence, if it is still as described: at this sequence, with this winning revision, none
   * of these flags, and a tree that has no prefix. False, and nothing changed, if not. Optional: saves reading the document.
   */
  prefixTree?(collection: number, document: TreePrefix): boolean
  /** Removes every trace of a document; false when there was none. */
  purge(collection: number, id: string): boolean
  /** Undefined deletes. */
  setValue(space: string, key: string, value: Uint8Array | undefined): void
}
