import { errorCode } from '@kithmesh/core'
import type { AccessLoss } from './access-loss.ts'
import type { IncomingRequest, Properties } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import type { ExpectedRevisions } from './expected-revisions.ts'
import { MessageError, encodeListReply } from './messages.ts'
import { ownProperties } from './own-properties.ts'
import type { IncomingChange, IncomingProposal } from './messages.ts'
import type { OppositePusher, Pusher } from './pusher.ts'
import type { SessionRequests } from './shared-requests.ts'
import { WaitingLists } from './waiting-lists.ts'
import { versioningError } from '../sub-protocols.ts'

export interface IncomingListsOptions {
  readonly target: SessionCollection
  readonly documentIds: ReadonlySet<string> | undefined
  /** Number of the remote in the collection's bookkeeping; undefined on the passive side. */
  readonly remote: number | undefined
  readonly expected: ExpectedRevisions
  readonly requests: SessionRequests | undefined
  readonly accessLoss: AccessLoss
  readonly pusher: () => OppositePusher | undefined
  /** The push of this session, on either side. */
  readonly anyPusher: () => Pick<Pusher, 'heard' | 'progress'> | undefined
  readonly stopped: () => boolean
  /** Few enough revisions are under way to ask for more. */
  readonly hasRoom: () => boolean
}

const NONE: ReadonlySet<string> = new Set()

/** 6. Revoked (2) or removed from the channels (4); a tombstone that left them is an ordinary one. */
function isLoss({ flags }: IncomingChange): boolean {
  return flags > 1 && flags !== 5
}

/**
 * Answers the peer's lists of changes (active, cbmobile.md §6) or proposals (passive, §7) with what is missing here, one after the other
 * and only while there is room for the revisions.
 */
export class IncomingLists {
  readonly #context: SessionContext
  readonly #options: IncomingListsOptions
  readonly #waiting: WaitingLists
  /** Vectors are as long as they are. */
  readonly #historyWanted: { readonly maxHistory?: string } = {}
  #caughtUp = false
  #announcedDeltas = false
  #taking = false
  #takingSoon = false

  constructor(context: SessionContext, options: IncomingListsOptions) {
    this.#context = context
    if (context.versioning.branches) this.#historyWanted = { maxHistory: String(context.limits.maxHistory) }
    this.#options = options
    const { requests, anyPusher } = options
    this.#waiting = new WaitingLists(context, {
      requests,
      anyPusher,
      isCandidate: (entry) => !('flags' in entry) || this.#isCandidate(entry)
    })
  }

  /** The peer said that it has no more for now. */
  get caughtUp(): boolean {
    return this.#caughtUp
  }

  /** Lists that were not answered. */
  get waiting(): number {
    return this.#waiting.length
  }

  add(request: IncomingRequest): void {
    if (this.#waiting.length >= this.#context.limits.maxListsWaiting) {
      request.respondError('BLIP', 400, 'too many lists without waiting for their answers')
      this.#context.fail(
        replicatorErrors.create('ERR_REPL_BAD_MESSAGE', 'The peer sent too many change lists without waiting for the answers'),
        false
      )
      return
    }
    this.#waiting.add(request)
    this.take()
  }

  /** Answers what waits, as far as there is room. */
  take(): void {
    // A list about lost access has waiting revisions stored first, which makes room for lists.
    if (this.#taking) return
    this.#taking = true
    this.#takeAll()
    this.#taking = false
    this.#context.changed()
  }

  /** {@link take} in a later turn. */
  takeSoon(): void {
    if (this.#takingSoon || this.#waiting.length === 0) return
    this.#takingSoon = true
    this.#context.scheduler.soon(() => {
      this.#takingSoon = false
      if (!this.#options.stopped() && !this.#context.closed) this.take()
    })
  }

  /** Takes up what was held up for too long. */
  tick(): void {
    if (this.#waiting.heldUp) this.take()
  }

  #takeAll(): void {
    while (this.#options.hasRoom()) {
      const list = this.#waiting.take()
      if (list === undefined) return
      const { request } = list
      try {
        if ('error' in list) throw list.error
        if (this.#context.active) this.#takeChanges(request, list.entries as readonly IncomingChange[])
        else this.#takeProposals(request, list.entries as readonly IncomingProposal[])
      } catch (cause) {
        this.#fail(request, cause)
        return
      }
    }
  }

  #fail(request: IncomingRequest, cause: unknown): void {
    if (cause instanceof MessageError) {
      request.respondError(cause.domain, cause.status, cause.message)
      if (cause.domain === 'LiteCore') {
        const { name } = this.#context.versioning
        this.#context.refuse(versioningError(`The peer sent revisions of another kind; this database has ${name}`, name, { cause }))
        return
      }
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
  }

  // ---- Active side

  #takeChanges(request: IncomingRequest, changes: readonly IncomingChange[]): void {
    const { statistics, versioning } = this.#context
    const { expected, target, accessLoss, remote, requests } = this.#options
    if (changes.length === 0) {
      if (!this.#caughtUp) accessLoss.caughtUp()
      this.#caughtUp = true
      if (!request.noReply) request.respond({ body: encodeListReply([]), ...this.#reply() })
      return
    }
    if (request.noReply) return
    const lost = this.#takeLost(changes)
    const candidates = changes.filter((change) => this.#isCandidate(change) && !lost.has(change.id))
    statistics.documentsAnnounced += candidates.length
    accessLoss.regained(candidates)
    const missing = target.collection.findMissing(candidates, remote)
    // A revision with branches stays known. That of a vector need not: one that is still on its way may win over it for a while.
    const underWay = versioning.branches ? undefined : expected.documents()
    const known: IncomingChange[] = []
    const answers: unknown[] = []
    let next = 0
    for (const change of changes) {
      let result = change === candidates[next] ? missing[next++] : undefined
      if (result === 'known' && underWay?.has(change.id) === true) result = []
      if (result === undefined || result === 'known' || expected.has(change.sequence)) {
        expected.pass(change.sequence)
        if (result === 'known') known.push(change)
        answers.push(0)
      } else {
        expected.expect(change.sequence, change.id)
        requests?.begin(change.id, change.revId, this.#context.now())
        answers.push(result)
      }
    }
    this.noteKnown(known)
    request.respond({ body: encodeListReply(answers), ...this.#reply() })
  }

  /** 6. Entries about lost access bring no body; identifiers that were not asked for are not wanted. */
  #isCandidate(change: IncomingChange): boolean {
    const { documentIds } = this.#options
    return !isLoss(change) && (documentIds === undefined || documentIds.has(change.id))
  }

  /** 6. Deals with the documents to which access is lost at the end of the list; of each the last entry counts. Returns their ids. */
  #takeLost(changes: readonly IncomingChange[]): ReadonlySet<string> {
    if (!changes.some(isLoss)) return NONE
    const { documentIds, accessLoss } = this.#options
    const last = new Map(changes.map((change) => [change.id, change]))
    const lost = [...last.values()].filter((change) => isLoss(change) && documentIds?.has(change.id) !== false)
    accessLoss.take(lost)
    return new Set(lost.map(({ id }) => id))
  }

  /** The remote's current revision is one we have: remembered, unless we know of a later one there. */
  noteKnown(known: readonly Pick<IncomingChange, 'id' | 'revId'>[]): void {
    const { remote, target } = this.#options
    const { versioning } = this.#context
    if (remote === undefined || known.length === 0) return
    const before = target.collection.remoteAncestors(
      remote,
      known.map(({ id }) => ({ id }))
    )
    const news = known.filter((change, i) => {
      const old = before[i]
      return old === undefined || versioning.isNews(change.revId, old)
    })
    if (news.length > 0)
      target.collection.setRemoteAncestors(
        remote,
        news.map(({ id, revId }) => ({ id, revId }))
      )
    const pusher = this.#options.pusher()
    if (pusher === undefined) return
    for (const { id, revId } of known) {
      const current = target.collection.change(id)
      if (current === undefined || current.revId === revId) continue
      if (versioning.branches && target.collection.closingTombstone(id, revId) !== undefined) {
        // 11. The peer has what we decided against: neither of us would say anything more without this.
        target.collection.setRemoteAncestors(remote, [{ id, revId }])
        pusher.pulled(id)
        pusher.reconsider(id)
      } else if (!pusher.acknowledged(id) && target.collection.remoteAncestor(remote, id) !== current.revId) {
        // It has come to an ancestor of ours, perhaps after it refused ours because of a rival that it has given up since.
        pusher.reconsider(id)
      }
    }
  }

  // ---- Passive side

  #takeProposals(request: IncomingRequest, proposals: readonly IncomingProposal[]): void {
    const { statistics, versioning } = this.#context
    if (proposals.length === 0) {
      if (!request.noReply) request.respond({ body: encodeListReply([]), ...this.#reply() })
      return
    }
    statistics.documentsAnnounced += proposals.length
    const statuses = this.#options.target.collection.checkProposals(proposals)
    this.#share(proposals, statuses)
    const withRevs = request.properties['conflictIncludesRev'] !== undefined
    request.respond({
      body: encodeListReply(withRevs ? statuses : statuses.map((status) => (typeof status === 'number' ? status : status.status))),
      ...this.#reply(ownProperties(versioning))
    })
  }

  /** Other sessions are told what was asked for, and our push what the peer has. */
  #share(proposals: readonly IncomingProposal[], statuses: readonly unknown[]): void {
    const { requests, target } = this.#options
    if (requests === undefined) return
    const now = this.#context.now()
    const pusher = this.#options.anyPusher()
    proposals.forEach((proposal, i) => {
      const revId = this.#waiting.revIdOf(proposal)
      if (statuses[i] === 0) requests.begin(proposal.id, revId, now)
      else if (statuses[i] === 304 && pusher !== undefined) {
        const current = target.collection.change(proposal.id)
        if (current !== undefined && current.revId === revId && current.sequence > pusher.progress.scannedTo)
          pusher.heard(proposal.id, revId)
      }
    })
  }

  // ---- Both

  /** Whether deltas can be applied here. Said once, as Couchbase Lite does (cbmobile.md §6). */
  #announcement(): { readonly deltas?: 'true' } {
    if (this.#announcedDeltas || !this.#context.deltas || this.#options.target.collection.bodyOf === undefined) return {}
    this.#announcedDeltas = true
    return { deltas: 'true' }
  }

  /** What every answer says of us. */
  #reply(more?: Properties): { properties: Properties; urgent: boolean; compress: boolean } {
    return {
      properties: { ...this.#historyWanted, blobs: 'true', ...this.#announcement(), sendReplacementRevs: 'true', ...more },
      urgent: true,
      compress: true
    }
  }
}
