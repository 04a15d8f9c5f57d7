import type { IncomingRequest } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import { AccessLoss } from './access-loss.ts'
import { checkReceivedBody } from './body.ts'
import type { ReceivedBody } from './body.ts'
import { ConflictWorker } from './conflict-worker.ts'
import { isTransientStatus, remoteError, withCollection } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import { UNUSABLE_DELTA, bodyFromDelta } from './deltas.ts'
import { passesPullFilter } from './document-filter.ts'
import { ExpectedRevisions } from './expected-revisions.ts'
import { IncomingLists } from './incoming-lists.ts'
import { MessageError, parseRev } from './messages.ts'
import type { IncomingRev } from './messages.ts'
import type { PullProgress, RemoteEntry } from './progress.ts'
import type { OppositePusher, Pusher } from './pusher.ts'
import { PullAnswers } from './pull-answers.ts'
import { subscriptionProperties } from './subscription.ts'
import { RevisionBlobs } from './revision-blobs.ts'
import type { BlobRefusal } from './revision-blobs.ts'
import { RevisionInserter } from './revision-inserter.ts'
import type { Arrival } from './revision-inserter.ts'
import type { SessionRequests } from './shared-requests.ts'

export interface PullerOptions {
  readonly index: number | undefined
  readonly target: SessionCollection
  readonly documentIds: ReadonlySet<string> | undefined
  /** Number of the remote in the collection's bookkeeping; undefined on the passive side. */
  readonly remote: number | undefined
  /** Id of the checkpoint; undefined on the passive side. */
  readonly checkpoint: string | undefined
  /** Passive sides keep no record of the peer's sequences. */
  readonly progress: PullProgress | undefined
  /** Told the local sequence of every inserted revision, so that it is not sent back. */
  readonly inserted: (sequence: number) => void
  /** The other direction, on either side. */
  readonly anyPusher: () => Pick<Pusher, 'heard' | 'progress'> | undefined
  /** The other direction, where the outcome of one matters to the other. */
  readonly pusher: () => OppositePusher | undefined
}

/**
 * Receives one collection's revisions: asks for what the peer's lists have and we miss, checks what arrives and its blobs, and answers
 * only when it is stored (cbmobile.md §6–§8).
 *
 * One file because it is the fork of a revision's way: what each part of the pull does is in a file of its own, what follows what is here.
 */
export class Puller {
  readonly #context: SessionContext
  readonly #options: PullerOptions
  readonly #blobs: RevisionBlobs
  readonly #conflicts: ConflictWorker
  readonly #expected: ExpectedRevisions
  /** What the sessions of this database ask for together, if they do. */
  readonly #requests: SessionRequests | undefined
  readonly #accessLoss: AccessLoss
  readonly #lists: IncomingLists
  readonly #inserter: RevisionInserter
  readonly #answers: PullAnswers
  #subscribed = false
  #stopped = false

  constructor(context: SessionContext, options: PullerOptions) {
    this.#context = context
    this.#options = options
    this.#blobs = new RevisionBlobs(context, {
      index: options.index,
      target: options.target,
      settled: (arrival, refusal) => {
        this.#onBlobs(arrival, refusal)
      },
      stored: () => {
        this.#inserter.release()
      }
    })
    this.#conflicts = new ConflictWorker(context, options.target)
    const { target, documentIds, remote, pusher, progress } = options
    const { maxRevsRequested } = context.limits
    this.#expected = new ExpectedRevisions(progress)
    this.#requests = context.sharedRequests?.join(target.collection.scope, target.collection.name, () => {
      this.#lists.takeSoon()
    })
    this.#answers = new PullAnswers(context, {
      target,
      expected: this.#expected,
      requests: this.#requests,
      pusher,
      inserted: options.inserted,
      known: (rev) => {
        this.#lists.noteKnown([rev])
      },
      conflicted: (id) => {
        // A passive side gets none of its own: it has heard of a document that is in conflict by another session, which decides it with its resolver.
        if (context.active) this.#conflicts.enqueue(id)
      }
    })
    this.#accessLoss = new AccessLoss(context, {
      target,
      remote,
      pusher,
      checkpoint: options.checkpoint,
      outstanding: () => this.#expected.size,
      flush: () => {
        this.#inserter.flush()
      }
    })
    this.#lists = new IncomingLists(context, {
      target,
      documentIds,
      remote,
      expected: this.#expected,
      requests: this.#requests,
      accessLoss: this.#accessLoss,
      pusher,
      anyPusher: options.anyPusher,
      stopped: () => this.#stopped,
      hasRoom: () => this.#expected.size < maxRevsRequested && this.#inWork < maxRevsRequested && !context.waiting.full
    })
    context.waiting.onRoom(() => {
      if (!this.#stopped && !context.closed) this.#lists.take()
    })
    this.#inserter = new RevisionInserter(context, {
      target,
      remoteOf: ({ id }) => (pusher()?.acknowledged(id) === true ? undefined : remote),
      inserted: (arrival, outcome) => {
        this.#answers.settled(arrival, outcome)
      },
      batchEnded: () => {
        if (this.#expected.size === 0) this.#accessLoss.settled()
        this.#lists.take()
      }
    })
  }

  /** Nothing is under way, and the peer said (active side) that it has no more for now. */
  get idle(): boolean {
    return (
      this.#stopped ||
      ((this.#lists.caughtUp || !this.#context.active) &&
        this.#inWork === 0 &&
        this.#expected.size === 0 &&
        this.#lists.waiting === 0 &&
        !this.#conflicts.busy)
    )
  }

  /** The peer owes something. */
  get waiting(): boolean {
    return this.#context.active && !this.#stopped && (!this.#lists.caughtUp || this.#expected.size > 0)
  }

  get #inWork(): number {
    return this.#inserter.waiting + this.#blobs.waiting
  }

  /**
   * 5. Subscribes to the peer's changes (active side).
   * @param remembered the peer is what it was in the last session.
   */
  start(remembered: boolean): void {
    const { blip } = this.#context
    const { index, target, documentIds, progress } = this.#options
    this.#accessLoss.start(remembered)
    this.#conflicts.start()
    const properties = subscriptionProperties(this.#context, target, progress)
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
    this.#requests?.end()
    this.#inserter.stop()
    this.#accessLoss.stop()
  }

  /** A live session asks again for what failed only by a new session, because the peer announces each sequence once. */
  tick(now: number): void {
    if (!this.#stopped) {
      this.#requests?.tick(now)
      this.#lists.tick()
      this.#blobs.tick(now)
    }
    if (!this.#expected.isStartOverDue(now) || !this.#context.continuous || !this.idle) return
    this.#expected.startedOver()
    this.#context.fail(
      replicatorErrors.create('ERR_REPL_REMOTE', 'Some documents could not be received; the connection is made again to ask for them'),
      true
    )
  }

  /** Revisions that arrived and are not stored yet. */
  get storing(): boolean {
    return this.#inserter.waiting > 0
  }

  // ---- 1. Lists

  /** `changes` on the active side, `proposeChanges` on the passive one. */
  onList(request: IncomingRequest): void {
    if (this.#stopped) return
    if (this.#context.active && !this.#subscribed) {
      request.respondError('BLIP', 400, 'changes without a subscription')
      return
    }
    this.#lists.add(request)
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
      checked = checkReceivedBody(rev.deltaSource === undefined ? request.body : this.#fromDelta(request, rev), limits.maxDocumentBytes)
    } catch (cause) {
      const unusable = cause instanceof MessageError && cause.status === UNUSABLE_DELTA
      if (!unusable) this.#refuse(request, cause as MessageError)
      else if (request.noReply) this.#refuse(request, new MessageError('HTTP', 503, cause.message, { cause }))
      else this.#askForWhole(request, cause)
      return
    }
    const expected = this.#expected.get(rev.sequence)
    const takenAway = checked.removed && this.#options.documentIds?.has(rev.id) !== false
    if (active && (takenAway || this.#accessLoss.overtook(rev.id))) {
      this.#onRemoved(request, rev, expected)
      return
    }
    this.#options.pusher()?.pulled(rev.id)
    statistics.bytesPulled += request.body.length
    let passes: boolean
    try {
      passes = this.#passesFilter(rev, checked)
    } catch (cause) {
      this.#refuse(request, new MessageError('HTTP', 403, 'the pull filter failed', { cause }), 'ERR_REPL_FILTER')
      return
    }
    if (!passes) {
      this.#refuse(request, new MessageError('HTTP', 403, 'rejected by the pull filter'))
      return
    }
    this.#requests?.begin(rev.id, rev.revId, this.#context.now())
    const arrival: Arrival = { request, rev, body: checked.body, hasBlobs: checked.blobs.length > 0, expected }
    const ready = checked.blobs.length === 0 || this.#blobs.take(arrival, checked)
    if (ready === true) this.#inserter.add(arrival)
    else if (ready !== undefined) {
      this.#answers.reject(arrival, ready)
      this.#lists.take()
    }
  }

  #onBlobs(arrival: Arrival, refusal: BlobRefusal | undefined): void {
    if (this.#stopped || this.#context.closed) return
    if (this.#accessLoss.overtook(arrival.rev.id)) this.#onRemoved(arrival.request, arrival.rev, arrival.expected)
    else if (refusal === undefined) this.#inserter.add(arrival, this.#blobs.storing)
    else this.#answers.reject(arrival, refusal)
    this.#lists.take()
  }

  #refuse(request: IncomingRequest, cause: MessageError, code?: 'ERR_REPL_FILTER'): void {
    this.#answers.refuse(request, cause, code)
    this.#lists.take()
  }

  #fromDelta({ body }: IncomingRequest, { id, deltaSource = '' }: IncomingRev): Buffer {
    if (!this.#context.deltas) throw new MessageError('HTTP', UNUSABLE_DELTA, 'Deltas are not in use here')
    return bodyFromDelta(id, deltaSource, body, this.#options.target.collection)
  }

  /** 8. The revision comes again, whole: it stays expected, and nothing failed. */
  #askForWhole(request: IncomingRequest, cause: MessageError): void {
    request.respondError(cause.domain, cause.status, cause.message)
    this.#context.logger.debug('A delta could not be applied', { id: request.properties['id'], error: cause.cause ?? cause })
  }

  /** 9. Instead of the revision: access to its document is lost. */
  #onRemoved(request: IncomingRequest, rev: IncomingRev, expected: RemoteEntry | undefined): void {
    this.#accessLoss.take([rev])
    if (!request.noReply) request.respond()
    this.#requests?.failed(rev.id)
    if (expected !== undefined) this.#expected.complete(expected)
    this.#lists.take()
  }

  /** The peer has our revision of the document now. */
  pushed(id: string): void {
    this.#accessLoss.pushed(id)
  }

  #passesFilter(rev: IncomingRev, checked: ReceivedBody): boolean {
    const { target, documentIds } = this.#options
    if (documentIds !== undefined && !documentIds.has(rev.id)) return false
    if (target.pullFilter === undefined) return true
    const { id, revId, deleted } = rev
    return passesPullFilter(target, this.#context.peerId, { id, revId, deleted, accessRemoved: false, body: checked.value })
  }

  /** 8. The announced revision cannot be had. */
  onNorev(request: IncomingRequest): void {
    this.#answers.unavailable(request)
    this.#lists.take()
  }
}
