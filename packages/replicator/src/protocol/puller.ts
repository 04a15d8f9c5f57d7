import { errorCode } from '@kithmesh/core'
import type { KithmeshError } from '@kithmesh/core'
import type { IncomingRevision, InsertOutcome } from '@kithmesh/database/replication'
import type { IncomingRequest, Properties } from '../blip/contracts.ts'
import { replicatorErrors } from '../error-catalogue.ts'
import { BlobFetcher } from './attachments.ts'
import { checkReceivedBody } from './body.ts'
import type { ReceivedBody } from './body.ts'
import { ConflictWorker } from './conflict-worker.ts'
import { isTransientStatus, remoteError, withCollection } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import { MessageError, encodeListReply, parseChanges, parseProposals, parseRev } from './messages.ts'
import type { IncomingChange, IncomingRev } from './messages.ts'
import type { PullProgress, RemoteEntry } from './progress.ts'
import type { Pusher } from './pusher.ts'

export interface PullerOptions {
  readonly index: number | undefined
  readonly target: SessionCollection
  readonly documentIds: ReadonlySet<string> | undefined
  /** Number of the remote in the collection's bookkeeping; undefined on the passive side. */
  readonly remote: number | undefined
  /** Passive sides keep no record of the peer's sequences. */
  readonly progress: PullProgress | undefined
  /** Told the local sequence of every inserted revision, so that it is not sent back. */
  readonly inserted: (sequence: number) => void
  /** The other direction, where the outcome of one matters to the other. */
  readonly pusher: () => Pick<Pusher, 'pulled' | 'acknowledged' | 'reconsider'> | undefined
}

/** A received revision between its message and its transaction. */
interface Arrival {
  readonly request: IncomingRequest
  readonly rev: IncomingRev
  readonly body: Uint8Array
  readonly hasBlobs: boolean
  readonly expected: Expected | undefined
}

interface Expected {
  readonly entry: RemoteEntry
  readonly id: string
}

const START_OVER_MS = 30_000

/**
 * Longer than most files here: lists, revisions and their transactions are one state with shared limits.
 *
 * Receives one collection's revisions: picks from the peer's lists what is missing here, collects what arrives in a turn of the
 * event loop into one transaction, and answers only afterwards (cbmobile.md §6–§8).
 */
export class Puller {
  readonly #context: SessionContext
  readonly #options: PullerOptions
  readonly #blobs: BlobFetcher
  readonly #conflicts: ConflictWorker
  /** Active: revisions asked for, by sequence. */
  readonly #expected = new Map<string, Expected>()
  readonly #waitingLists: IncomingRequest[] = []
  #ready: Arrival[] = []
  #flushScheduled = false
  #awaitingBlobs = 0
  #subscribed = false
  #caughtUp = false
  #stopped = false
  /** When to start over because something failed that may work later. */
  #startOverAt: number | undefined

  constructor(context: SessionContext, options: PullerOptions) {
    this.#context = context
    this.#options = options
    this.#blobs = new BlobFetcher(context, options.index)
    this.#conflicts = new ConflictWorker(context, options.target)
  }

  /** Nothing is under way, and the peer said (active side) that it has no more for now. */
  get idle(): boolean {
    return (
      this.#stopped ||
      ((this.#caughtUp || !this.#context.active) &&
        this.#inWork === 0 &&
        this.#expected.size === 0 &&
        this.#waitingLists.length === 0 &&
        !this.#conflicts.busy)
    )
  }

  /** The peer owes something. */
  get waiting(): boolean {
    return this.#context.active && !this.#stopped && (!this.#caughtUp || this.#expected.size > 0)
  }

  get #inWork(): number {
    return this.#ready.length + this.#awaitingBlobs
  }

  /** 5. Subscribes to the peer's changes (active side). */
  start(): void {
    const { blip, continuous, limits, versioning } = this.#context
    const { index, target, documentIds, progress } = this.#options
    this.#conflicts.start()
    const properties: Record<string, string> = {}
    if (progress?.reached !== undefined) properties['since'] = progress.reached
    if (continuous) properties['continuous'] = 'true'
    properties['batch'] = String(limits.changesBatch)
    properties['sendReplacementRevs'] = 'true'
    properties['versioning'] = versioning.name
    if (this.#context.skipOldTombstones && progress?.reached === undefined && target.collection.lastSequence === 0)
      properties['activeOnly'] = 'true'
    properties['revocations'] = 'true'
    this.#subscribed = true
    blip.request(
      {
        profile: 'subChanges',
        properties: withCollection(index, properties),
        ...(documentIds !== undefined && { body: Buffer.from(JSON.stringify({ docIDs: [...documentIds] })) })
      },
      (reply) => {
        this.#context.touch()
        if (reply.kind === 'error') this.#context.fail(remoteError('subChanges', reply), isTransientStatus(reply.code))
        this.#context.changed()
      }
    )
  }

  stop(): void {
    this.#stopped = true
  }

  /** A live session asks again for what failed only by a new session, because the peer announces each sequence once. */
  tick(now: number): void {
    if (this.#startOverAt === undefined || now < this.#startOverAt || !this.#context.continuous || !this.idle) return
    this.#startOverAt = undefined
    this.#context.fail(
      replicatorErrors.create('ERR_REPL_REMOTE', 'Some documents could not be received; the connection is made again to ask for them'),
      true
    )
  }

  /** Revisions that arrived and are not stored yet. */
  get storing(): boolean {
    return this.#ready.length > 0
  }

  // ---- 1. Lists

  /** `changes` on the active side, `proposeChanges` on the passive one. */
  onList(request: IncomingRequest): void {
    if (this.#stopped) return
    if (this.#context.active && !this.#subscribed) {
      request.respondError('BLIP', 400, 'changes without a subscription')
      return
    }
    if (this.#waitingLists.length >= this.#context.limits.maxListsWaiting) {
      request.respondError('BLIP', 400, 'too many lists without waiting for their answers')
      this.#context.fail(
        replicatorErrors.create('ERR_REPL_BAD_MESSAGE', 'The peer sent too many change lists without waiting for the answers'),
        false
      )
      return
    }
    this.#waitingLists.push(request)
    this.#takeLists()
  }

  #takeLists(): void {
    const { limits } = this.#context
    while (this.#waitingLists.length > 0 && this.#expected.size < limits.maxRevsRequested && this.#inWork < limits.maxRevsRequested) {
      const request = this.#waitingLists.shift() as IncomingRequest
      try {
        if (this.#context.active) this.#takeChanges(request)
        else this.#takeProposals(request)
      } catch (cause) {
        if (cause instanceof MessageError) {
          request.respondError(cause.domain, cause.status, cause.message)
          this.#context.fail(
            replicatorErrors.create('ERR_REPL_BAD_MESSAGE', `The peer sent a list that cannot be read: ${cause.message}`, { cause }),
            false
          )
        } else {
          request.respondError('HTTP', 503, 'the database failed')
          this.#context.fail(
            replicatorErrors.create('ERR_REPL_STORE', 'A list of changes could not be compared with the database', { cause }),
            errorCode(cause) === 'ERR_DB_LOCKED'
          )
        }
        return
      }
    }
    this.#context.changed()
  }

  #takeChanges(request: IncomingRequest): void {
    const { limits, statistics, versioning } = this.#context
    const { progress } = this.#options
    const changes = parseChanges(request, versioning, limits.maxIncomingEntries)
    if (changes.length === 0) {
      this.#caughtUp = true
      if (!request.noReply) request.respond({ body: encodeListReply([]), ...this.#listReply() })
      return
    }
    if (request.noReply) return
    const candidates = changes.filter((change) => this.#isCandidate(change))
    statistics.documentsAnnounced += candidates.length
    const missing = this.#options.target.collection.findMissing(candidates)
    const known: IncomingChange[] = []
    const answers: unknown[] = []
    let next = 0
    for (const change of changes) {
      const result = change === candidates[next] ? missing[next++] : undefined
      if (result === undefined || result === 'known' || this.#expected.has(change.sequence)) {
        progress?.announce(change.sequence, true)
        if (result === 'known') known.push(change)
        answers.push(0)
      } else {
        const entry = progress?.announce(change.sequence, false)
        if (entry !== undefined) this.#expected.set(change.sequence, { entry, id: change.id })
        answers.push(result)
      }
    }
    this.#noteKnown(known)
    request.respond({ body: encodeListReply(answers), ...this.#listReply() })
  }

  /** 6. Entries about lost access bring no body; identifiers that were not asked for are not wanted. */
  #isCandidate(change: IncomingChange): boolean {
    const { documentIds } = this.#options
    return (change.flags === 0 || change.flags === 1 || change.flags === 5) && (documentIds === undefined || documentIds.has(change.id))
  }

  /** The remote's current revision is one we have: remembered, unless we know of a later one there. */
  #noteKnown(known: readonly IncomingChange[]): void {
    const { remote, target } = this.#options
    if (remote === undefined || known.length === 0) return
    const before = target.collection.remoteAncestors(
      remote,
      known.map(({ id }) => ({ id }))
    )
    const news = known.filter((change, i) => {
      const old = before[i]
      return old === undefined || this.#context.versioning.compareAge(change.revId, old) > 0
    })
    if (news.length > 0)
      target.collection.setRemoteAncestors(
        remote,
        news.map(({ id, revId }) => ({ id, revId }))
      )
    const pusher = this.#options.pusher()
    if (pusher === undefined) return
    for (const { id, revId } of known) {
      if (target.collection.change(id)?.revId === revId || target.collection.closingTombstone(id, revId) === undefined) continue
      // 11. The peer has what we decided against: neither of us would say anything more without this.
      target.collection.setRemoteAncestors(remote, [{ id, revId }])
      pusher.pulled(id)
      pusher.reconsider(id)
    }
  }

  #takeProposals(request: IncomingRequest): void {
    const { limits, statistics, versioning } = this.#context
    const proposals = parseProposals(request, versioning, limits.maxIncomingEntries)
    if (proposals.length === 0) {
      if (!request.noReply) request.respond({ body: encodeListReply([]), ...this.#listReply() })
      return
    }
    statistics.documentsAnnounced += proposals.length
    const statuses = this.#options.target.collection.checkProposals(proposals)
    const withRevs = request.properties['conflictIncludesRev'] !== undefined
    request.respond({
      body: encodeListReply(withRevs ? statuses : statuses.map((status) => (typeof status === 'number' ? status : status.status))),
      ...this.#listReply()
    })
  }

  #listReply(): { properties: Properties; urgent: boolean; compress: boolean } {
    return {
      properties: { maxHistory: String(this.#context.limits.maxHistory), blobs: 'true', sendReplacementRevs: 'true' },
      urgent: true,
      compress: true
    }
  }

  // ---- 2. Revisions

  onRev(request: IncomingRequest): void {
    if (this.#stopped) return
    const { active, limits, versioning, statistics } = this.#context
    let rev: IncomingRev
    let checked: ReceivedBody
    try {
      rev = parseRev(request.properties, versioning)
      if (active && rev.sequence === undefined) throw new MessageError('HTTP', 400, 'rev has no sequence')
      checked = checkReceivedBody(request.body, limits.maxDocumentBytes)
    } catch (cause) {
      this.#refuse(request, cause as MessageError)
      return
    }
    const expected = rev.sequence === undefined ? undefined : this.#expected.get(rev.sequence)
    this.#options.pusher()?.pulled(rev.id)
    statistics.bytesPulled += request.body.length
    let passes: boolean
    try {
      passes = this.#passesFilter(rev, checked)
    } catch (cause) {
      this.#refuse(request, new MessageError('HTTP', 403, 'the pull filter failed', { cause }))
      return
    }
    if (!passes) {
      this.#refuse(request, new MessageError('HTTP', 403, 'rejected by the pull filter'))
      return
    }
    const arrival: Arrival = { request, rev, body: checked.body, hasBlobs: checked.blobs.length > 0, expected }
    const missing = checked.blobs.length === 0 ? [] : this.#blobs.missing(checked.blobs)
    if (missing.length === 0) {
      this.#arrived(arrival)
      return
    }
    if (this.#awaitingBlobs >= 4 * limits.maxRevsRequested) {
      this.#refuse(request, new MessageError('HTTP', 503, 'too many documents are waiting for their blobs'))
      return
    }
    this.#awaitingBlobs++
    this.#blobs.fetch(rev.id, missing, (failure) => {
      this.#awaitingBlobs--
      if (this.#stopped || this.#context.closed) return
      if (failure === undefined) this.#arrived(arrival)
      else this.#reject(arrival, 'HTTP', failure.transient ? 503 : 400, failure.error as KithmeshError, failure.transient)
      this.#takeLists()
    })
  }

  #passesFilter(rev: IncomingRev, checked: ReceivedBody): boolean {
    const { target, documentIds } = this.#options
    if (documentIds !== undefined && !documentIds.has(rev.id)) return false
    return target.pullFilter?.({ id: rev.id, revId: rev.revId, deleted: rev.deleted, body: checked.value }) ?? true
  }

  /** 8. The announced revision cannot be had. */
  onNorev(request: IncomingRequest): void {
    const { sequence, seq, id, rev, error, reason } = request.properties
    const expected = this.#expected.get(sequence ?? seq ?? '')
    if (expected !== undefined) this.#complete(sequence ?? seq ?? '', expected)
    if (id !== undefined && error !== '410') {
      this.#report(
        id,
        rev ?? '',
        false,
        replicatorErrors.create(
          'ERR_REPL_DOC_UNAVAILABLE',
          `The peer cannot send document "${id}": ${error ?? ''} ${reason ?? ''}`.trimEnd()
        ),
        false
      )
    }
    this.#takeLists()
  }

  #arrived(arrival: Arrival): void {
    this.#ready.push(arrival)
    if (this.#ready.length >= this.#context.limits.insertBatch) {
      this.#flush()
      return
    }
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    this.#flushSoon(0)
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
    let outcomes: InsertOutcome[]
    try {
      outcomes = this.#options.target.collection.insertRevisions(arrivals.map((arrival) => this.#revisionOf(arrival)))
    } catch (cause) {
      const transient = errorCode(cause) === 'ERR_DB_LOCKED'
      for (const { request } of arrivals) request.respondError('HTTP', 503, 'the database failed')
      this.#context.fail(replicatorErrors.create('ERR_REPL_STORE', 'Received documents could not be stored', { cause }), transient)
      return
    }
    for (let i = 0; i < arrivals.length; i++) this.#settle(arrivals[i] as Arrival, outcomes[i] as InsertOutcome)
    this.#takeLists()
  }

  #revisionOf({ rev, body, hasBlobs }: Arrival): IncomingRevision {
    const { remote } = this.#options
    return {
      id: rev.id,
      revId: rev.revId,
      deleted: rev.deleted,
      history: rev.history,
      body,
      hasBlobs,
      onConflict: this.#context.active ? 'branch' : 'refuse',
      ...(remote !== undefined && this.#options.pusher()?.acknowledged(rev.id) !== true && { remote }),
      ...(rev.deletedBranch !== undefined && { deletedBranch: rev.deletedBranch })
    }
  }

  #settle(arrival: Arrival, outcome: InsertOutcome): void {
    const { request, rev, expected } = arrival
    switch (outcome.status) {
      case 'conflict':
        this.#reject(
          arrival,
          'HTTP',
          409,
          replicatorErrors.create('ERR_REPL_DOC_CONFLICT', `Document "${rev.id}" conflicts with the revision here`, {
            details: { id: rev.id, revId: rev.revId, localRevId: outcome.revId }
          }),
          false
        )
        return
      case 'failed':
        this.#reject(
          arrival,
          'HTTP',
          400,
          replicatorErrors.create('ERR_REPL_DOC_INVALID', `Document "${rev.id}" could not be stored`, { cause: outcome.error }),
          false
        )
        return
      case 'stored':
        // What was made here on top of it is news to the peer.
        if (outcome.successor === undefined) this.#options.inserted(outcome.sequence)
        break
      case 'conflicted':
        this.#options.inserted(outcome.sequence)
    }
    this.#context.statistics.documentsPulled++
    if (!request.noReply) request.respond(outcome.status === 'known' ? { properties: { noop: 'true' } } : undefined)
    if (expected !== undefined) this.#complete(expected.entry.sequence, expected)
    if (this.#context.wantsDocuments) this.#report(rev.id, rev.revId, rev.deleted)
    if (outcome.status === 'conflicted') this.#conflicts.enqueue(rev.id)
  }

  // ---- 3. Ends

  #refuse(request: IncomingRequest, cause: MessageError): void {
    const { id, rev, sequence, deleted } = request.properties
    request.respondError(cause.domain, cause.status, cause.message)
    const code =
      cause.status === 413
        ? 'ERR_REPL_DOC_TOO_LARGE'
        : cause.status === 403 || cause.status === 503
          ? 'ERR_REPL_DOC_REJECTED'
          : 'ERR_REPL_DOC_INVALID'
    const transient = isTransientStatus(cause.status)
    this.#report(
      id ?? '',
      rev ?? '',
      deleted !== undefined,
      replicatorErrors.create(code, `Document "${id ?? ''}" was refused: ${cause.message}`, { cause }),
      transient
    )
    const expected = sequence === undefined ? undefined : this.#expected.get(sequence)
    if (expected !== undefined) this.#drop(sequence as string, expected, transient)
    this.#takeLists()
  }

  #reject(arrival: Arrival, domain: string, code: number, error: KithmeshError, transient: boolean): void {
    const { request, rev, expected } = arrival
    request.respondError(domain, code, error.message)
    this.#report(rev.id, rev.revId, rev.deleted, error, transient)
    if (expected !== undefined) this.#drop(expected.entry.sequence, expected, transient)
  }

  #complete(sequence: string, expected: Expected): void {
    this.#expected.delete(sequence)
    this.#options.progress?.complete(expected.entry)
  }

  /** A transient failure leaves the sequence open, so that the next session asks again. */
  #drop(sequence: string, expected: Expected, transient: boolean): void {
    if (!transient) {
      this.#complete(sequence, expected)
      return
    }
    this.#expected.delete(sequence)
    this.#startOverAt ??= this.#context.now() + START_OVER_MS
  }

  #report(id: string, revId: string, deleted: boolean, error?: KithmeshError, transient?: boolean): void {
    const { scope, name } = this.#options.target.collection
    this.#context.documentEnded({
      direction: 'pull',
      collection: { scope, name },
      id,
      revId,
      deleted,
      ...(error !== undefined && { error }),
      ...(transient !== undefined && { transient })
    })
  }
}
