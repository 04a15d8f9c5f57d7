import { errorCode } from '@kithmesh/core'
import type { IncomingRevision, InsertOutcome } from '@kithmesh/database/replication'
import type { IncomingRequest } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import type { IncomingRev } from './messages.ts'
import type { RemoteEntry } from './progress.ts'

/** A received revision between its message and its transaction. */
export interface Arrival {
  readonly request: IncomingRequest
  readonly rev: IncomingRev
  readonly body: Uint8Array
  readonly hasBlobs: boolean
  /** Undefined when it was not asked for, as on the passive side. */
  readonly expected: RemoteEntry | undefined
}

export interface RevisionInserterOptions {
  readonly target: SessionCollection
  /** The remote to note as having the revision, if that is not out of date. */
  readonly remoteOf: (rev: IncomingRev) => number | undefined
  /** The transaction that had the revision is over. */
  readonly inserted: (arrival: Arrival, outcome: InsertOutcome) => void
  /** After all revisions of a transaction. */
  readonly batchEnded: () => void
}

/** So many revisions, or bytes of their bodies, do not wait for others to share their transaction. */
const HELD_REVISIONS = 64
const HELD_BYTES = 1024 * 1024

/** Puts the revisions that arrive in a turn of the event loop into one transaction. */
export class RevisionInserter {
  readonly #context: SessionContext
  readonly #options: RevisionInserterOptions
  #ready: Arrival[] = []
  #readyBytes = 0
  #flushScheduled = false
  #stopped = false

  constructor(context: SessionContext, options: RevisionInserterOptions) {
    this.#context = context
    this.#options = options
  }

  /** Revisions that arrived and are not stored yet. */
  get waiting(): number {
    return this.#ready.length
  }

  stop(): void {
    this.#stopped = true
  }

  /** Stores what waits, now. */
  flush(): void {
    if (!this.#stopped && !this.#context.closed) this.#flush()
  }

  /**
   * Takes a revision to be stored.
   * @param othersFollow More will be ready shortly, without anything from the peer, and {@link release} is called then at the latest. A
   *   transaction waits for the disk, and many at a time cost little more than one.
   */
  add(arrival: Arrival, othersFollow = false): void {
    this.#ready.push(arrival)
    this.#readyBytes += arrival.body.length
    if (this.#ready.length >= this.#context.limits.insertBatch) {
      this.#flush()
      return
    }
    if (!othersFollow || this.#ready.length >= HELD_REVISIONS || this.#readyBytes >= HELD_BYTES) this.release()
  }

  /** Nothing more follows: stores what waits, soon. */
  release(): void {
    if (this.#flushScheduled || this.#ready.length === 0) return
    this.#flushScheduled = true
    this.#flushSoon(this.#ready.length)
  }

  /** Waits while revisions keep arriving: a transaction costs about as much as a hundred of them. */
  #flushSoon(before: number): void {
    this.#context.scheduler.soon(() => {
      if (this.#stopped || this.#context.closed) return
      const count = this.#ready.length
      if (count > before && count < this.#context.limits.insertBatch) {
        this.#flushSoon(count)
        return
      }
      this.#flushScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    const arrivals = this.#ready
    if (arrivals.length === 0) return
    this.#ready = []
    this.#readyBytes = 0
    let outcomes: InsertOutcome[]
    try {
      outcomes = this.#options.target.collection.insertRevisions(arrivals.map((arrival) => this.#revisionOf(arrival)))
    } catch (cause) {
      const transient = errorCode(cause) === 'ERR_DB_LOCKED'
      for (const { request } of arrivals) request.respondError('HTTP', 503, 'the database failed')
      this.#context.fail(replicatorErrors.create('ERR_REPL_STORE', 'Received documents could not be stored', { cause }), transient)
      return
    }
    for (let i = 0; i < arrivals.length; i++) this.#options.inserted(arrivals[i] as Arrival, outcomes[i] as InsertOutcome)
    this.#options.batchEnded()
  }

  #revisionOf({ rev, body, hasBlobs }: Arrival): IncomingRevision {
    const remote = this.#options.remoteOf(rev)
    return {
      id: rev.id,
      revId: rev.revId,
      deleted: rev.deleted,
      history: rev.history,
      merges: rev.merges,
      body,
      hasBlobs,
      onConflict: this.#context.active ? 'branch' : 'refuse',
      ...(remote !== undefined && { remote }),
      ...(rev.deletedBranch !== undefined && { deletedBranch: rev.deletedBranch })
    }
  }
}
