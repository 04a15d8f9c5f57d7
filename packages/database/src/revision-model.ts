import type {
  ConflictResolution,
  ConflictedDocument,
  DocumentVersioning,
  IncomingRevision,
  RevisionForPush
} from './contracts/replication.ts'
import type { StorageWriter, StoredChange, StoredDocument } from './contracts/storage.ts'

/** A document as it is to be stored; the store gives it its sequence. */
export type StorableDocument = Omit<StoredDocument, 'sequence'>

/** A change made here. */
export interface LocalRevision {
  readonly id: string
  /** As written; empty for a tombstone without content. */
  readonly body: Uint8Array
  /** What the revision id is made from. */
  readonly canonical: string
  readonly deleted: boolean
  readonly hasBlobs: boolean
  /** The revision it replaces; `''`: there must be none; undefined: whatever is current. */
  readonly parent: string | undefined
}

/** What to do with a foreign revision. */
export type InsertionPlan =
  | { readonly status: 'known' }
  | { readonly status: 'conflict'; readonly revId: string }
  | {
      readonly status: 'stored' | 'conflicted'
      readonly document: StorableDocument
      /** Current in place of the revision given, and to be told to who gave it. */
      readonly successor?: string
    }

/** What the decision may ask about the document; asked only off the common paths. */
export interface InsertionContext {
  /** The revision last known to be current at the remote it comes from. */
  remoteAncestor(): string | undefined
  /** Revisions known to be current at any remote; they are not pruned away. */
  remoteAncestors(): ReadonlySet<string>
}

/** What a peer is told about a revision it proposes: wanted, there already, or not without what is current here. */
export type ProposalAnswer = 0 | 304 | { readonly status: 409; readonly rev: string }

/**
 * How revisions are named, ordered and kept: everything in which revision trees and version vectors differ. Decides about one document at a
 * time and stores nothing; the bytes in `StoredDocument.tree`, behind the list of remotes, are its own.
 */
export interface RevisionModel {
  readonly versioning: DocumentVersioning
  /** Whether `LocalRevision.canonical` is looked at; making it costs. */
  readonly derivesIds: boolean
  /** Wraps the work of a transaction that may make revisions. */
  transaction<T>(work: (writer: StorageWriter) => T): (writer: StorageWriter) => T
  /**
   * Looks at the ids of a foreign revision.
   * @throws ERR_DB_REVISION_ID, ERR_DB_CLOCK_SKEW
   */
  check(revision: IncomingRevision): void
  /**
   * The next stored state of a document for a change made here; undefined when exactly this change is there already.
   * @throws ERR_DB_CONFLICT when the parent named is not current.
   */
  planLocal(existing: StoredDocument | undefined, revision: LocalRevision, context: InsertionContext): StorableDocument | undefined
  /** Decides what a foreign revision does to a document. */
  planInsertion(existing: StoredDocument | undefined, revision: IncomingRevision, context: InsertionContext): InsertionPlan
  /** The stored state after a resolution. @throws ERR_DB_CONFLICT when either side is no longer what was seen. */
  resolve(
    existing: StoredDocument,
    localRevId: string,
    remoteRevId: string,
    resolution: ConflictResolution,
    context: InsertionContext
  ): StorableDocument
  /** The two sides of a conflict; undefined when there is none. */
  conflictOf(stored: StoredDocument): ConflictedDocument | undefined
  /** The contents that mention blobs of all unresolved sides but the current one. */
  rivalBodies(stored: StoredDocument): Uint8Array[]
  /** The named revision, or the current one; undefined when only its id is left, or not even that. */
  revision(stored: StoredDocument, revId?: string): RevisionForPush | undefined
  /** Whether an announced revision, which is not the current one, is known, or else what the peer may build on. */
  missing(stored: StoredDocument, revId: string): readonly string[] | 'known'
  /** @param read the whole document, if its change is not enough. */
  checkProposal(current: StoredChange, revId: string, parentRevId: string, read: () => StoredDocument | undefined): ProposalAnswer
  /** See `ReplicationCollection.closingTombstone`. */
  closingTombstone(stored: StoredDocument, revId: string): string | undefined
  /** See `ReplicationCollection.graft`; undefined when there is nothing to be done. */
  graft(stored: StoredDocument, onto: string): StorableDocument | undefined
}
