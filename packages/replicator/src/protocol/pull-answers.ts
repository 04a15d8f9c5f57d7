import { errorCode, isKithmeshError } from '@kithmesh/core'
import type { KithmeshError } from '@kithmesh/core'
import type { InsertOutcome } from '@kithmesh/database/replication'
import type { IncomingRequest } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import { documentEnded, isTransientStatus } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import type { ExpectedRevisions } from './expected-revisions.ts'
import type { IncomingRev, MessageError } from './messages.ts'
import type { OppositePusher } from './pusher.ts'
import type { BlobRefusal } from './revision-blobs.ts'
import type { Arrival } from './revision-inserter.ts'
import type { SessionRequests } from './shared-requests.ts'

export interface PullAnswersOptions {
  readonly target: SessionCollection
  readonly expected: ExpectedRevisions
  readonly requests: SessionRequests | undefined
  readonly pusher: () => OppositePusher | undefined
  /** Told the local sequence of every inserted revision, so that it is not sent back. */
  readonly inserted: (sequence: number) => void
  /** The revision was here already. */
  readonly known: (rev: IncomingRev) => void
  /** The document has a conflict now. */
  readonly conflicted: (id: string) => void
}

/** How the ways of received revisions end: what the peer is answered, what is no longer expected, what the application is told. */
export class PullAnswers {
  readonly #context: SessionContext
  readonly #options: PullAnswersOptions

  constructor(context: SessionContext, options: PullAnswersOptions) {
    this.#context = context
    this.#options = options
  }

  /** The transaction that had the revision is over. */
  settled(arrival: Arrival, outcome: InsertOutcome): void {
    const { request, rev, expected } = arrival
    switch (outcome.status) {
      case 'conflict':
        this.reject(arrival, {
          domain: 'HTTP',
          code: 409,
          error: replicatorErrors.create('ERR_REPL_DOC_CONFLICT', `Document "${rev.id}" conflicts with the revision here`, {
            details: { id: rev.id, revId: rev.revId, localRevId: outcome.revId }
          }),
          transient: false
        })
        return
      case 'failed': {
        const { error: cause } = outcome
        // Nothing is wrong with the document: when one of the two clocks was set right, or some time has passed, it can be taken.
        const early = errorCode(cause) === 'ERR_DB_CLOCK_SKEW'
        const error = replicatorErrors.create(
          early ? 'ERR_REPL_DOC_REJECTED' : 'ERR_REPL_DOC_INVALID',
          `Document "${rev.id}" could not be stored: ${cause.message}`,
          { cause, ...(early && isKithmeshError(cause) && { hint: cause.hint }) }
        )
        this.reject(arrival, { domain: 'HTTP', code: early ? 503 : 400, error, transient: early })
        return
      }
      case 'stored':
        // What was made here on top of it is news to the peer.
        if (outcome.successor === undefined) this.#options.inserted(outcome.sequence)
        else this.#options.pusher()?.poke()
        break
      case 'conflicted':
        this.#options.inserted(outcome.sequence)
        break
      case 'known':
        // Asked for all the same, see IncomingLists: the peer may lack what we have instead.
        if (!this.#context.versioning.branches) this.#options.known(rev)
    }
    this.#options.requests?.stored(rev.id, rev.revId)
    const known = outcome.status === 'known'
    if (!request.noReply) request.respond(known ? { properties: { noop: 'true' } } : undefined)
    if (expected !== undefined) this.#options.expected.complete(expected)
    // It came before, in place of an older revision that was asked for: nothing more was received.
    if (known) return
    this.#context.statistics.documentsPulled++
    if (this.#context.wantsDocuments) documentEnded(this.#context, 'pull', this.#options.target, rev)
    if (outcome.status === 'conflicted') this.#options.conflicted(rev.id)
  }

  /** 8. The announced revision cannot be had (`norev`). */
  unavailable(request: IncomingRequest): void {
    const { sequence, seq, id, rev, error, reason } = request.properties
    const expected = this.#options.expected.get(sequence ?? seq)
    if (id !== undefined) this.#options.requests?.failed(id)
    if (expected !== undefined) this.#options.expected.complete(expected)
    if (id !== undefined && error !== '410') {
      const message = `The peer cannot send document "${id}": ${error ?? ''} ${reason ?? ''}`.trimEnd()
      this.#failed({ id, revId: rev ?? '', deleted: false }, replicatorErrors.create('ERR_REPL_DOC_UNAVAILABLE', message), false)
    }
  }

  /** A revision that cannot be taken as it is. */
  refuse(request: IncomingRequest, cause: MessageError, code = refusalCode(cause.status)): void {
    const { id, rev, sequence, deleted } = request.properties
    request.respondError(cause.domain, cause.status, cause.message)
    const transient = isTransientStatus(cause.status)
    if (id !== undefined) this.#options.requests?.failed(id)
    this.#failed(
      { id: id ?? '', revId: rev ?? '', deleted: deleted !== undefined },
      replicatorErrors.create(code, `Document "${id ?? ''}" was refused: ${cause.message}`, { cause }),
      transient
    )
    const expected = this.#options.expected.get(sequence)
    if (expected !== undefined) this.#options.expected.drop(expected, transient, this.#context.now())
  }

  /** A revision that was taken, and cannot be stored. */
  reject({ request, rev, expected }: Arrival, { domain, code, error, transient }: BlobRefusal): void {
    request.respondError(domain, code, error.message)
    this.#options.requests?.failed(rev.id)
    this.#failed(rev, error, transient)
    if (expected !== undefined) this.#options.expected.drop(expected, transient, this.#context.now())
  }

  #failed(document: Pick<IncomingRev, 'id' | 'revId' | 'deleted'>, error: KithmeshError, transient: boolean): void {
    documentEnded(this.#context, 'pull', this.#options.target, document, error, transient)
  }
}

function refusalCode(status: number): 'ERR_REPL_DOC_TOO_LARGE' | 'ERR_REPL_DOC_REJECTED' | 'ERR_REPL_DOC_INVALID' | 'ERR_REPL_FILTER' {
  if (status === 413) return 'ERR_REPL_DOC_TOO_LARGE'
  return status === 403 || status === 503 ? 'ERR_REPL_DOC_REJECTED' : 'ERR_REPL_DOC_INVALID'
}
