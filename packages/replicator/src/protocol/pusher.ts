import { errorCode } from '@kithmesh/core'
import type { KithmeshError } from '@kithmesh/core'
import type { ChangeEntry } from '@kithmesh/database/replication'
import type { Reply } from '../blip/contracts.ts'
import { replicatorErrors } from '../error-catalogue.ts'
import { asBuffer, isTransientStatus, remoteError, withCollection } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import { RevSender } from './rev-sender.ts'
import type { PushItem, SendOutcome } from './rev-sender.ts'
import { encodeChanges, encodeProposals, isTrue, parseChangesReply, parseProposalsReply } from './messages.ts'
import type { PushProgress } from './progress.ts'

export interface PusherOptions {
  readonly index: number | undefined
  readonly target: SessionCollection
  readonly progress: PushProgress
  /** Stays on after catching up. */
  readonly live: boolean
  /** Skips the tombstones of the backlog (`activeOnly` of subChanges). */
  readonly activeOnly: boolean
  readonly documentIds: ReadonlySet<string> | undefined
  /** Number of the remote in the collection's bookkeeping; undefined on the passive side, which keeps none. */
  readonly remote: number | undefined
  /** This session pulls too, so that rivals come by themselves. */
  readonly pulls: boolean
  /** No revision of the peer waits to be stored: it would note an older state of the peer over a newer one. */
  readonly mayRecord: () => boolean
  /** The peer takes another revision for one that is gone. */
  readonly sendReplacementRevs: boolean
}

interface Deferred {
  readonly entry: ChangeEntry
  readonly dueAt: number
}

const NOTHING: ReadonlySet<string> = new Set()
const EMPTY_LIST = Buffer.from('[]')
/** Lists read in one go before other work gets its turn. */
const SCANS_PER_TURN = 20
const MAX_TRIES = 10
/** One transaction for so many acknowledged documents; a crash before it costs a question to the peer, no more. */
const ANCESTORS_AT_ONCE = 1000

/**
 * Longer than most files here: what is announced, wanted, sent and answered is one state, and its transitions belong side by side.
 *
 * Sends one collection's changes: proposes them (active, cbmobile.md §7) or announces them to a subscriber (passive, §6),
 * then sends what is wanted, within the limits of §13.
 */
export class Pusher {
  readonly #context: SessionContext
  readonly #options: PusherOptions
  readonly #sender: RevSender
  /** Active side: documents on their way, from the proposal on. */
  readonly #busy = new Map<string, PushItem>()
  #listsInFlight = 0
  /** Tombstones up to here may be left out: the peer cannot have the documents. Later ones may end what it was just sent. */
  #backlogEnd = 0
  #caughtUp = false
  #announcedAny = false
  #toldCaughtUp = false
  #scanAgain = false
  #stopped = false
  /** Own inserts of this session: what came from the peer is not sent back to it. */
  readonly #echoes = new Set<number>()
  /** The last change that was left out for that, while nothing after it was announced. */
  #lastEcho: ChangeEntry | undefined
  /** Changes to announce once more, and how often each document was. */
  #again: ChangeEntry[] = []
  readonly #tries = new Map<string, number>()
  #deferred: Deferred[] = []
  /** What the peer is now known to have, not yet stored. */
  #ancestors = new Map<string, { readonly revId: string; readonly sequence: number }>()
  #unsubscribe: (() => void) | undefined

  constructor(context: SessionContext, options: PusherOptions) {
    this.#context = context
    this.#options = options
    const { index, target, sendReplacementRevs } = options
    this.#sender = new RevSender(
      context,
      { index, target, replaces: sendReplacementRevs, maxHistory: context.limits.maxHistory },
      (item, outcome) => {
        this.#onSent(item, outcome)
      }
    )
  }

  get progress(): PushProgress {
    return this.#options.progress
  }

  /** Nothing is left to do now, short of new changes. */
  get idle(): boolean {
    return (
      this.#stopped ||
      (this.#caughtUp &&
        !this.#scanAgain &&
        this.#listsInFlight === 0 &&
        this.#sender.queued === 0 &&
        this.#sender.unanswered === 0 &&
        this.#again.length === 0)
    )
  }

  /** The peer owes an answer. */
  get waiting(): boolean {
    return this.#listsInFlight > 0 || this.#sender.unanswered > 0
  }

  start(): void {
    this.#backlogEnd = this.#options.target.collection.lastSequence
    if (this.#options.live)
      this.#unsubscribe = this.#options.target.collection.onChanged(() => {
        this.poke()
      })
    this.poke()
  }

  stop(): void {
    this.#stopped = true
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
    try {
      this.#recordAncestors()
    } catch (error) {
      // The peer will be asked again about these documents; the session has to end all the same.
      this.#context.logger.warn('What the peer has could not be recorded', { error })
    }
  }

  /** Looks for new changes soon. */
  poke(): void {
    if (this.#stopped || this.#scanAgain) return
    this.#scanAgain = true
    this.#context.scheduler.soon(() => {
      this.#guarded(() => {
        this.#scanAgain = false
        this.#pump()
      })
    })
  }

  /** A sequence that the peer itself just gave us. */
  echo(sequence: number): void {
    if (sequence > this.#options.progress.scannedTo) this.#echoes.add(sequence)
  }

  /** The peer told us its revision of the document: what was noted from our own pushes is out of date. */
  pulled(id: string): void {
    if (this.#ancestors.size > 0) this.#ancestors.delete(id)
  }

  /** Whether the peer took a revision of ours since it last told us its own. */
  acknowledged(id: string): boolean {
    return this.#ancestors.has(id)
  }

  /** The peer has a revision that we decided against: it is to get ours, although that is no new change. */
  reconsider(id: string): void {
    const entry = this.#options.target.collection.change(id)
    if (entry === undefined || entry.sequence > this.#options.progress.scannedTo) return
    const ahead = this.#busy.get(id)
    this.#options.progress.reopen(entry.sequence)
    if (ahead === undefined) this.#again.push(entry)
    else ahead.next = entry
    this.poke()
  }

  /** Tries documents again whose transient failure lies long enough back. */
  tick(now: number): void {
    this.#announceEcho()
    if (this.#deferred.length === 0 || this.#stopped) return
    const due = this.#deferred.filter((d) => d.dueAt <= now)
    if (due.length === 0) return
    this.#deferred = this.#deferred.filter((d) => d.dueAt > now)
    for (const { entry } of due) this.#again.push(entry)
    this.poke()
  }

  /**
   * A subscriber that pushed much would hear of its own revisions at its next start, because its checkpoint never passed their
   * sequences. Announcing the last one, when nothing else is under way, lets it save that it has seen them all.
   */
  #announceEcho(): void {
    const entry = this.#lastEcho
    if (entry === undefined || this.#context.active || !this.#options.live || !this.idle) return
    this.#lastEcho = undefined
    if (this.#options.target.collection.change(entry.id)?.sequence === entry.sequence) this.#announce(this.#itemsFor([entry]))
  }

  #guarded(work: () => void): void {
    if (this.#stopped || this.#context.closed) return
    try {
      work()
    } catch (cause) {
      const transient = errorCode(cause) === 'ERR_DB_LOCKED'
      this.#context.fail(replicatorErrors.create('ERR_REPL_STORE', 'Changes could not be read from the database', { cause }), transient)
    }
    this.#context.changed()
  }

  #pump(): void {
    if (this.#ancestors.size >= ANCESTORS_AT_ONCE && this.#options.mayRecord()) this.#recordAncestors()
    this.#announceAgain()
    this.#scan()
    this.#sender.pump()
    if (this.#ancestors.size > 0 && this.idle && this.#options.mayRecord()) this.#recordAncestors()
  }

  // ---- 1. Announce

  #scan(): void {
    const { limits } = this.#context
    const { target, progress } = this.#options
    // A one-shot subscription ends with the backlog; the active side goes on until nothing new is found.
    if (this.#toldCaughtUp && !this.#options.live && !this.#context.active) return
    const maxLists = this.#toldCaughtUp ? 1 : limits.maxChangeListsInFlight
    for (let round = 0; this.#listsInFlight < maxLists && this.#sender.queued < limits.maxRevsQueued; round++) {
      if (round === SCANS_PER_TURN) {
        this.poke()
        return
      }
      const entries = target.collection.changesSince(progress.scannedTo, limits.changesBatch)
      const last = entries.at(-1)
      if (last === undefined) {
        this.#reachedEnd()
        return
      }
      this.#caughtUp = false
      const wanted = entries.filter((entry) => this.#mayPush(entry))
      const items = this.#itemsFor(wanted)
      const pending = items.map((item) => item.sequence)
      if (this.#context.active) for (const entry of wanted) if (this.#busy.get(entry.id)?.next === entry) pending.push(entry.sequence)
      if (pending.length > items.length) pending.sort((a, b) => a - b)
      progress.scanned(last.sequence, pending)
      if (items.length > 0) this.#lastEcho = undefined
      if (this.#echoes.has(last.sequence)) this.#lastEcho = last
      if (this.#echoes.size > 0) for (const entry of entries) this.#echoes.delete(entry.sequence)
      this.#announce(items)
      if (entries.length < limits.changesBatch) {
        this.#reachedEnd()
        return
      }
    }
  }

  #mayPush(entry: ChangeEntry): boolean {
    const { progress, documentIds, activeOnly } = this.#options
    if (progress.isCompletedEarlier(entry.sequence) || this.#echoes.has(entry.sequence)) return false
    if (documentIds !== undefined && !documentIds.has(entry.id)) return false
    if (activeOnly && entry.deleted && entry.sequence <= this.#backlogEnd) return false
    // 11. Documents in conflict wait for their resolution, which is a new change.
    return !(entry.conflicted && this.#context.active)
  }

  /** Documents to announce now; those already on their way remember the newer change. */
  #itemsFor(entries: readonly ChangeEntry[]): PushItem[] {
    const { target, remote, progress } = this.#options
    const parents = remote === undefined || entries.length === 0 ? undefined : target.collection.remoteAncestors(remote, entries)
    const items: PushItem[] = []
    entries.forEach((entry, i) => {
      const ahead = this.#context.active ? this.#busy.get(entry.id) : undefined
      if (ahead !== undefined) {
        if (ahead.next !== undefined) progress.complete(ahead.next.sequence)
        ahead.next = entry
        return
      }
      const parent = this.#ancestors.get(entry.id)?.revId ?? parents?.[i]
      if (parent === entry.revId) {
        progress.complete(entry.sequence)
        return
      }
      if (!this.#passesFilter(entry)) {
        progress.complete(entry.sequence)
        return
      }
      const { sequence, id, revId, deleted, conflicted, bodySize } = entry
      const item: PushItem = {
        sequence,
        id,
        revId,
        deleted,
        conflicted,
        bodySize,
        parentRevId: parent ?? '',
        known: NOTHING,
        bytes: 0,
        endsBranch: false,
        next: undefined,
        held: undefined
      }
      if (this.#context.active) this.#busy.set(id, item)
      items.push(item)
    })
    return items
  }

  #passesFilter(entry: ChangeEntry): boolean {
    const { pushFilter, collection } = this.#options.target
    if (pushFilter === undefined) return true
    const revision = collection.revision(entry.id, entry.revId)
    if (revision === undefined) return true
    try {
      const text = asBuffer(revision.body).toString()
      return pushFilter({
        id: entry.id,
        revId: entry.revId,
        deleted: entry.deleted,
        body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
      })
    } catch (cause) {
      this.#report(entry, replicatorErrors.create('ERR_REPL_FILTER', `The push filter failed for document "${entry.id}"`, { cause }), false)
      return false
    }
  }

  #announceAgain(): void {
    const again = this.#again
    if (again.length === 0) return
    this.#again = []
    const { target, progress } = this.#options
    const current: ChangeEntry[] = []
    for (const entry of again) {
      const now = target.collection.change(entry.id)
      if (now?.sequence === entry.sequence) current.push(entry)
      else progress.complete(entry.sequence) // A newer change exists and comes by the scan.
    }
    this.#announce(this.#itemsFor(current.filter((entry) => this.#mayPush(entry))))
  }

  #announce(items: PushItem[]): void {
    const { active, blip, statistics } = this.#context
    if (items.length === 0) return
    this.#announcedAny = true
    this.#listsInFlight++
    statistics.documentsAnnounced += items.length
    const profile = active ? 'proposeChanges' : 'changes'
    blip.request(
      {
        profile,
        properties: withCollection(this.#options.index, active ? { conflictIncludesRev: 'true' } : {}),
        body: active ? encodeProposals(items) : encodeChanges(items),
        urgent: true,
        compress: true
      },
      (reply) => {
        this.#context.touch()
        this.#guarded(() => {
          this.#onListReply(profile, items, reply)
        })
      }
    )
  }

  #reachedEnd(): void {
    this.#caughtUp = true
    if (this.#toldCaughtUp) return
    this.#toldCaughtUp = true
    const { active, blip } = this.#context
    // The passive side always says that it caught up (cbmobile.md §6); the active one only when it had nothing at all.
    if (!active || !this.#announcedAny) {
      blip.request({
        profile: active ? 'proposeChanges' : 'changes',
        properties: withCollection(this.#options.index, active ? { conflictIncludesRev: 'true' } : {}),
        body: EMPTY_LIST,
        urgent: true,
        noReply: true
      })
    }
  }

  // ---- 2. What the peer wants

  #onListReply(profile: string, items: readonly PushItem[], reply: Reply): void {
    this.#listsInFlight--
    if (reply.kind === 'disconnected') return
    if (reply.kind === 'error') {
      this.#context.fail(remoteError(profile, reply), isTransientStatus(reply.code))
      return
    }
    const { maxHistory, sendReplacementRevs } = reply.properties
    if (maxHistory !== undefined && Number(maxHistory) > 0) this.#sender.options.maxHistory = Math.min(Number(maxHistory), 1000)
    if (isTrue(sendReplacementRevs)) this.#sender.options.replaces = true
    try {
      if (this.#context.active) this.#onProposalStatuses(items, reply.body)
      else this.#onWanted(items, reply.body)
    } catch (cause) {
      this.#context.fail(replicatorErrors.create('ERR_REPL_BAD_MESSAGE', `The answer to ${profile} cannot be read`, { cause }), false)
      return
    }
    this.#pump()
  }

  #onWanted(items: readonly PushItem[], body: Buffer): void {
    const wanted = parseChangesReply(body, items.length)
    items.forEach((item, i) => {
      const known = wanted[i]
      if (typeof known === 'object') {
        item.known = known.length === 0 ? NOTHING : new Set(known)
        this.#sender.enqueue(item)
      } else this.#finish(item)
    })
  }

  #onProposalStatuses(items: readonly PushItem[], body: Buffer): void {
    const statuses = parseProposalsReply(body, items.length)
    items.forEach((item, i) => {
      const { status, rev } = statuses[i] as { status: number; rev: string | undefined }
      if (status === 0) {
        item.known = item.parentRevId === '' ? NOTHING : new Set([item.parentRevId])
        this.#sender.enqueue(item)
      } else if (status === 304) {
        this.#noteAncestor(item, item.revId)
        this.#finish(item)
      } else if (status === 409) this.#onConflict(item, rev)
      else if (isTransientStatus(status)) this.#failTransiently(item, this.#rejection(item, 'HTTP', status, ''))
      else this.#failForGood(item, this.#rejection(item, 'HTTP', status, ''))
    })
  }

  /** 11. The peer's current revision is not the one we took for it. */
  #onConflict(item: PushItem, theirs: string | undefined): void {
    if (theirs !== undefined && theirs !== item.parentRevId && this.#countTry(item.id) && this.#isBehind(item, theirs)) {
      this.#noteAncestor(item, theirs)
      this.#release(item)
      this.#again.push(item)
      return
    }
    if (this.#options.pulls) {
      this.#finish(item)
      return
    }
    this.#failForGood(
      item,
      replicatorErrors.create('ERR_REPL_DOC_CONFLICT', `The peer has a rival revision of document "${item.id}"`, {
        details: { id: item.id, revId: item.revId, remoteRevId: theirs }
      })
    )
  }

  /** The peer's revision is an ancestor of ours, or on a branch that we ended. */
  #isBehind(item: PushItem, theirs: string): boolean {
    const { collection } = this.#options.target
    return (
      collection.revision(item.id, item.revId)?.history.includes(theirs) === true ||
      collection.closingTombstone(item.id, theirs) !== undefined
    )
  }

  // ---- 3. What became of it

  #onSent(item: PushItem, outcome: SendOutcome): void {
    switch (outcome.kind) {
      case 'sent': {
        const { statistics } = this.#context
        statistics.documentsPushed++
        statistics.bytesPushed += outcome.revision.body.length
        this.#noteAncestor(item, outcome.revision.revId)
        this.#finish(item)
        if (this.#context.wantsDocuments) this.#report(item)
        break
      }
      case 'gone':
        this.#finish(item)
        return
      case 'refused':
        this.#onRevError(item, outcome.reply)
    }
    this.poke()
  }

  #onRevError(item: PushItem, reply: Extract<Reply, { kind: 'error' }>): void {
    const error = this.#rejection(item, reply.domain, reply.code, reply.message)
    if (isTransientStatus(reply.code)) this.#failTransiently(item, error)
    else if (reply.code === 403 && this.#context.active && this.#countTry(item.id, 1)) {
      // 8. A refusal may hang on another document that is still to come: once more, later.
      this.#release(item)
      this.#again.push(item)
    } else if (reply.code === 409 && item.endsBranch && this.#countTry(item.id, 1)) {
      // 11. The peer may have moved on meanwhile: then the next proposal says so, and the pull brings what it has.
      this.#release(item)
      this.#again.push(item)
    } else if (reply.code === 409 && item.endsBranch && this.#options.target.collection.graft?.(item.id, item.parentRevId) === true) {
      // It takes only what descends from its own revision. The graft does, and comes by the scan.
      this.#finish(item)
    } else if (reply.code === 409 && this.#options.pulls) this.#finish(item)
    else if (reply.code === 409) {
      this.#failForGood(
        item,
        replicatorErrors.create('ERR_REPL_DOC_CONFLICT', `The peer has a rival revision of document "${item.id}"`, {
          details: { id: item.id, revId: item.revId }
        })
      )
    } else this.#failForGood(item, error)
  }

  // ---- 4. Ends

  #rejection(item: PushItem, domain: string, code: number, message: string): KithmeshError {
    return replicatorErrors.create(
      'ERR_REPL_DOC_REJECTED',
      `The peer refused document "${item.id}": ${domain} ${code} ${message.slice(0, 300)}`.trimEnd(),
      {
        details: { id: item.id, revId: item.revId, domain, code }
      }
    )
  }

  #countTry(id: string, max = MAX_TRIES): boolean {
    const tries = (this.#tries.get(id) ?? 0) + 1
    this.#tries.set(id, tries)
    return tries <= max
  }

  /** Lets the next revision of the document go. */
  #release(item: PushItem): void {
    if (this.#busy.get(item.id) === item) this.#busy.delete(item.id)
    if (item.next !== undefined) this.#again.push(item.next)
    if (item.next !== undefined || item.held !== undefined) this.poke()
  }

  #finish(item: PushItem): void {
    if (item.next?.sequence !== item.sequence) this.#options.progress.complete(item.sequence)
    if (this.#tries.size > 0) this.#tries.delete(item.id)
    this.#release(item)
  }

  #failForGood(item: PushItem, error: KithmeshError): void {
    this.#report(item, error, false)
    this.#finish(item)
  }

  /** The sequence stays open: tried again after a while, or in the next session. */
  #failTransiently(item: PushItem, error: KithmeshError): void {
    this.#report(item, error, true)
    this.#release(item)
    const tries = (this.#tries.get(item.id) ?? 0) + 1
    this.#tries.set(item.id, tries)
    if (this.#options.live) this.#deferred.push({ entry: item, dueAt: this.#context.now() + 1000 * Math.min(2 ** tries, 300) })
  }

  #report(item: ChangeEntry, error?: KithmeshError, transient?: boolean): void {
    const { scope, name } = this.#options.target.collection
    this.#context.documentEnded({
      direction: 'push',
      collection: { scope, name },
      id: item.id,
      revId: item.revId,
      deleted: item.deleted,
      ...(error !== undefined && { error }),
      ...(transient !== undefined && { transient })
    })
  }

  #noteAncestor({ id, sequence }: PushItem, revId: string): void {
    if (this.#options.remote !== undefined) this.#ancestors.set(id, { revId, sequence })
  }

  #recordAncestors(): void {
    const { remote, target } = this.#options
    if (remote === undefined || this.#ancestors.size === 0) return
    const entries = [...this.#ancestors].map(([id, known]) => ({ id, ...known })).sort((a, b) => a.sequence - b.sequence)
    this.#ancestors = new Map()
    target.collection.setRemoteAncestors(remote, entries)
  }
}
