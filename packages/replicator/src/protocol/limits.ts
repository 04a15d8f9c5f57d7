/** Bounds of one replication session. Defaults follow cbmobile.md §13 where foreign peers can tell, and are wider otherwise. */
export interface SessionLimits {
  /** Entries in one change or proposal list. */
  readonly changesBatch: number
  /** Announced lists without an answer, before and after being caught up. */
  readonly maxChangeListsInFlight: number
  /** Revisions wanted by the peer and waiting to be sent; above it no more changes are read. */
  readonly maxRevsQueued: number
  /** Revisions sent and not yet answered. */
  readonly maxRevsUnanswered: number
  /** Body bytes of revisions sent and not yet answered. */
  readonly maxBytesUnanswered: number
  /** Revisions asked for and not yet received; above it, change lists are answered later. */
  readonly maxRevsRequested: number
  /**
   * Bytes of received revisions that wait for their blobs, over all collections; above it, change lists are answered later and revisions that
   * were not asked for are answered 503. Those that were asked for may take four times as much. One revision may always wait.
   */
  readonly maxBytesWaiting: number
  /** Received revisions per insert transaction. */
  readonly insertBatch: number
  /** Blobs fetched at the same time, per collection. */
  readonly maxBlobsInFlight: number
  /** Size of a document's JSON, bytes. */
  readonly maxDocumentBytes: number
  /** Size of a blob that does not state its length, bytes. */
  readonly maxBlobBytes: number
  /** Entries accepted in one incoming list. */
  readonly maxIncomingEntries: number
  /** Change lists received and not yet answered; a peer that sends more breaks the protocol. */
  readonly maxListsWaiting: number
  /** Ancestors asked for in `history`. */
  readonly maxHistory: number
  /** Milliseconds for the first answer of the peer. */
  readonly firstReplyMs: number
  /** Milliseconds without any message while the peer owes one, and without any piece of a blob while it owes blobs. */
  readonly inactivityMs: number
}

export const DEFAULT_LIMITS: SessionLimits = {
  changesBatch: 200,
  maxChangeListsInFlight: 10,
  maxRevsQueued: 1000,
  maxRevsUnanswered: 2000,
  maxBytesUnanswered: 2 * 1024 * 1024,
  maxRevsRequested: 2000,
  maxBytesWaiting: 64 * 1024 * 1024,
  insertBatch: 1000,
  maxBlobsInFlight: 32,
  maxDocumentBytes: 20 * 1024 * 1024,
  maxBlobBytes: 1024 * 1024 * 1024,
  maxIncomingEntries: 10_000,
  maxListsWaiting: 50,
  maxHistory: 50,
  firstReplyMs: 30_000,
  inactivityMs: 120_000
}
