import type { ChangeEntry } from '@kithmesh/database/replication'
import { errorCode } from '@kithmesh/core'
import type { Reply } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import { Announcer } from './announcer.ts'
import { ChangeSelection } from './change-selection.ts'
import { isTransientStatus, remoteError } from './context.ts'
import type { SessionContext } from './context.ts'
import { DeltaBases } from './delta-bases.ts'
import { DocumentsUnderWay } from './documents-under-way.ts'
import { isTrue } from './messages.ts'
import { ownAbilities } from './own-properties.ts'
import type { OwnAbilities } from './own-properties.ts'
import type { PushProgress } from './progress.ts'
import { PushAnswers } from './push-answers.ts'
import type { PusherOptions } from './pusher-options.ts'
import { RemoteAncestors } from './remote-ancestors.ts'
import { RevSender } from './rev-sender.ts'
import type { PushItem } from './rev-sender.ts'
import { mayGoUnproposed, mayResumeUnproposed } from './unproposed.ts'

/** Lists read in one go before other work gets its turn. */
const SCANS_PER_TURN = 20

const NO_ABILITIES: OwnAbilities = { endsBranches: false, unproposed: false, deltas: false }

/**
 * Sends one collection's changes: proposes them (active, cbmobile.md §7) or announces them to a subscriber (passive, §6),
 * then sends what is wanted, within the limits of §13.
 *
 * One file because it is the order of a push: what each part of it does is in a file of its own, what comes after what, and when, is here.
 */
export class Pusher {
  readonly #context: SessionContext
  readonly #options: PusherOptions
  readonly #selection: ChangeSelection
  readonly #ancestors: RemoteAncestors
  readonly #documents: DocumentsUnderWay
  readonly #answers: PushAnswers
  readonly #sender: RevSender
  readonly #announcer: Announcer
  readonly #bases: DeltaBases
  #caughtUp = false
  #scanAgain = false
  #peer: OwnAbilities
  #stopped = false
  #unsubscribe: (() => void) | undefined

  constructor(context: SessionContext, options: PusherOptions) {
    this.#context = context
    this.#options = options
    this.#peer = options.peer ?? NO_ABILITIES
    const { index, target, progress, sendReplacementRevs, pulls } = options
    this.#selection = new ChangeSelection(context, options)
    this.#ancestors = new RemoteAncestors(target.collection, options.remote, options.mayRecord)
    this.#documents = new DocumentsUnderWay(context, {
      target,
      progress,
      selection: this.#selection,
      ancestors: this.#ancestors,
      retries: options.live,
      ready: () => {
        this.poke()
      }
    })
    this.#announcer = new Announcer(context, index, (profile, items, reply) => {
      this.#guarded(() => {
        this.#onListReply(profile, items, reply)
      })
    })
    this.#bases = new DeltaBases(context, target.collection, progress)
    this.#answers = new PushAnswers(context, {
      target,
      documents: this.#documents,
      ancestors: this.#ancestors,
      pulls,
      endsBranches: () => this.#peer.endsBranches,
      acknowledged: options.acknowledged,
      send: (item) => {
        this.#sender.enqueue(item)
      }
    })
    this.#sender = new RevSender(
      context,
      {
        index,
        target,
        replaces: sendReplacementRevs,
        mayReplace: (revision) => target.pushFilter === undefined || this.#selection.passesRevision(revision),
        maxHistory: context.limits.maxHistory,
        shadows: false,
        deltas: false,
        again: () => {
          this.poke()
        }
      },
      (item, outcome) => {
        this.#answers.onSent(item, outcome)
        if (outcome.kind !== 'gone') this.poke()
      }
    )
    if (context.deltas && this.#peer.deltas) this.#sender.options.deltas = this.#bases.hear('true')
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
        this.#announcer.inFlight === 0 &&
        this.#sender.queued === 0 &&
        this.#sender.unanswered === 0 &&
        !this.#documents.hasAgain)
    )
  }

  /** The peer owes an answer. */
  get waiting(): boolean {
    return this.#announcer.inFlight > 0 || this.#sender.unanswered > 0
  }

  start(): void {
    this.#selection.start()
    if (this.#options.live)
      this.#unsubscribe = this.#options.target.collection.onChanged(() => {
        // This comes in a turn of its own: no need for another one, unless one is coming anyhow.
        if (!this.#scanAgain)
          this.#guarded(() => {
            this.#pump()
          })
      })
    this.poke()
  }

  /** Stores what the peer has once this turn's messages have left, if nothing is under way. A live push does it by itself. */
  rest(): void {
    if (!this.#ancestors.storable) return
    this.#context.scheduler.soon(() => {
      this.#guarded(() => {
        this.#storeAtRest()
      })
    })
  }

  stop(): void {
    this.#stopped = true
    this.#unsubscribe?.()
    this.#unsubscribe = undefined
    try {
      this.#ancestors.storeAll()
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
    this.#selection.echo(sequence)
  }

  /** The peer has this revision, which is not stored here yet or was not announced: it need not hear of it. */
  heard(id: string, revId: string): void {
    this.#selection.heard(id, revId)
  }

  /** The peer told us its revision of the document: what was noted from our own pushes is out of date. */
  pulled(id: string): void {
    this.#ancestors.forget(id)
  }

  /** Whether the peer took a revision of ours, or this one, since it last told us its own. */
  acknowledged(id: string, revId?: string): boolean {
    return this.#ancestors.isNoted(id, revId)
  }

  /** The peer has a revision that we decided against: it is to get ours, although that is no new change. */
  reconsider(id: string): void {
    const entry = this.#options.target.collection.change(id)
    if (entry !== undefined && entry.sequence <= this.#options.progress.scannedTo) this.#documents.reopen(entry)
  }

  /** Whether a document is on its way to the peer that has the blob, see {@link RevSender.offersBlob}. */
  offersBlob(id: string | undefined, digest: string): boolean {
    return this.#sender.offersBlob(id, digest)
  }

  /** Tries documents again whose transient failure lies long enough back. */
  tick(now: number): void {
    this.#announceEcho()
    if (!this.#stopped) this.#documents.tick(now)
  }

  /**
   * A subscriber that pushed much would hear of its own revisions at its next start, because its checkpoint never passed their
   * sequences. Announcing the last one, when nothing else is under way, lets it save that it has seen them all.
   */
  #announceEcho(): void {
    if (this.#context.active || !this.#options.live || !this.idle) return
    const entry = this.#selection.takeLastEcho()
    if (entry === undefined) return
    if (this.#options.target.collection.change(entry.id)?.sequence === entry.sequence)
      this.#announcer.announce(this.#documents.begin([entry]))
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
    // What the peer waits for goes first.
    this.#sender.pump()
    this.#ancestors.store(false)
    this.#announcer.announce(this.#documents.begin(this.#documents.takeAgain()))
    this.#scan()
    this.#bases.keep(false)
    if (this.#options.live) this.#storeAtRest()
  }

  /** The subscriber saved how far it has come. */
  checkpointed(): void {
    this.#guarded(() => {
      this.#bases.keep(true)
    })
  }

  #storeAtRest(): void {
    if (this.idle) this.#ancestors.store(true)
  }

  // ---- 1. Announce

  #scan(): void {
    const { limits } = this.#context
    const { target, progress } = this.#options
    // A one-shot subscription ends with the backlog; the active side goes on until nothing new is found.
    if (this.#announcer.toldCaughtUp && !this.#options.live && !this.#context.active) return
    const maxLists = this.#announcer.toldCaughtUp ? 1 : limits.maxChangeListsInFlight
    for (let round = 0; this.#announcer.inFlight < maxLists && this.#sender.queued < limits.maxRevsQueued; round++) {
      if (round === SCANS_PER_TURN) {
        this.poke()
        return
      }
      const entries = target.collection.changesSince(progress.scannedTo, limits.changesBatch, this.#options.remote)
      const last = entries.at(-1)
      if (last === undefined) {
        this.#reachedEnd()
        return
      }
      this.#caughtUp = false
      const wanted = entries.filter((entry) => this.#selection.includes(entry))
      const items = this.#documents.begin(wanted)
      const pending = items.map((item) => item.sequence)
      if (this.#context.active) for (const entry of wanted) if (this.#documents.isWaiting(entry)) pending.push(entry.sequence)
      if (pending.length > items.length) pending.sort((a, b) => a - b)
      progress.scanned(last.sequence, pending)
      this.#selection.scanned(entries, items.length > 0)
      if (this.#mayGoUnproposed(wanted, entries.length < limits.changesBatch)) this.#sendUnproposed(items)
      else this.#announcer.announce(items)
      if (entries.length < limits.changesBatch) {
        this.#reachedEnd()
        return
      }
    }
  }

  #mayGoUnproposed(changes: readonly ChangeEntry[], isLast: boolean): boolean {
    if (!this.#peer.unproposed) return false
    return this.#announcer.toldCaughtUp ? mayGoUnproposed(changes) : isLast && this.#announcer.isFirst && mayResumeUnproposed(changes)
  }

  #sendUnproposed(items: readonly PushItem[]): void {
    this.#announcer.skip(items)
    this.#answers.sendUnproposed(items)
    this.#sender.pump()
  }

  #reachedEnd(): void {
    this.#caughtUp = true
    this.#announcer.caughtUp()
  }

  // ---- 2. What the peer wants

  #onListReply(profile: string, items: readonly PushItem[], reply: Reply): void {
    if (reply.kind === 'disconnected') return
    if (reply.kind === 'error') {
      this.#context.fail(remoteError(profile, reply), isTransientStatus(reply.code))
      return
    }
    const { maxHistory, sendReplacementRevs, blobs, deltas } = reply.properties
    if (maxHistory !== undefined && Number(maxHistory) > 0) this.#sender.options.maxHistory = Math.min(Number(maxHistory), 1000)
    if (this.#context.active) this.#peer = ownAbilities(reply.properties, this.#context.versioning)
    if (isTrue(sendReplacementRevs)) this.#sender.options.replaces = true
    this.#sender.options.shadows = !isTrue(blobs)
    if (this.#context.deltas && this.#bases.hear(deltas)) this.#sender.options.deltas = true
    try {
      if (this.#context.active) this.#answers.onProposalStatuses(items, reply.body)
      else this.#answers.onWanted(items, reply.body)
    } catch (cause) {
      this.#context.fail(replicatorErrors.create('ERR_REPL_BAD_MESSAGE', `The answer to ${profile} cannot be read`, { cause }), false)
      return
    }
    // What is wanted leaves before anything else is looked for.
    this.#sender.pump()
    this.poke()
  }
}

/** What the pull of a session has to say to its push, and to ask it. */
export type OppositePusher = Pick<Pusher, 'pulled' | 'acknowledged' | 'reconsider' | 'poke'>
