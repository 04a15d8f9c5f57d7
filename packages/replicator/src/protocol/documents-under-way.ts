import type { KithmeshError } from '@kithmesh/core'
import type { ChangeEntry } from '@kithmesh/database/replication'
import type { ChangeSelection } from './change-selection.ts'
import { documentEnded } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import type { PushProgress } from './progress.ts'
import type { RemoteAncestors } from './remote-ancestors.ts'
import type { PushItem } from './rev-sender.ts'

export interface DocumentsUnderWayOptions {
  readonly target: SessionCollection
  readonly progress: PushProgress
  readonly selection: ChangeSelection
  readonly ancestors: RemoteAncestors
  /** What failed for a while is tried again in this session. */
  readonly retries: boolean
  /** A change became ready to be announced. */
  readonly ready: () => void
}

interface Deferred {
  readonly entry: ChangeEntry
  readonly dueAt: number
}

const NOTHING: ReadonlySet<string> = new Set()
const MAX_TRIES = 10

/**
 * The documents of one push from their announcement to their end: finished, announced once more at once or later, or given up.
 * On the active side no two changes of a document are under way together (cbmobile.md §17.17).
 */
export class DocumentsUnderWay {
  readonly #context: SessionContext
  readonly #options: DocumentsUnderWayOptions
  /** Active side: by document. */
  readonly #busy = new Map<string, PushItem>()
  /** Changes to announce once more, and how often each document was. */
  #again: ChangeEntry[] = []
  readonly #tries = new Map<string, number>()
  #deferred: Deferred[] = []

  constructor(context: SessionContext, options: DocumentsUnderWayOptions) {
    this.#context = context
    this.#options = options
  }

  /** Changes wait to be announced once more. */
  get hasAgain(): boolean {
    return this.#again.length > 0
  }

  /** Whether the change waits for an earlier one of its document. */
  isWaiting(entry: ChangeEntry): boolean {
    return this.#busy.get(entry.id)?.next === entry
  }

  /** Documents to announce now; those already on their way remember the newer change. */
  begin(entries: readonly ChangeEntry[]): PushItem[] {
    const { progress, ancestors, selection } = this.#options
    const parents = ancestors.of(entries)
    const items: PushItem[] = []
    entries.forEach((entry, i) => {
      const ahead = this.#context.active ? this.#busy.get(entry.id) : undefined
      if (ahead !== undefined) {
        this.#putBehind(ahead, entry)
        return
      }
      const parent = parents[i]
      if (parent === entry.revId || !selection.passesFilter(entry)) {
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
        unproposed: false,
        next: undefined,
        held: undefined
      }
      if (this.#context.active) this.#busy.set(id, item)
      items.push(item)
    })
    return items
  }

  /** Those of the changes to announce once more that are still the current ones of their documents, and go to the peer at all. */
  takeAgain(): ChangeEntry[] {
    const again = this.#again
    if (again.length === 0) return []
    this.#again = []
    const { target, progress, selection } = this.#options
    const current: ChangeEntry[] = []
    for (const entry of again) {
      const now = target.collection.change(entry.id)
      if (now?.sequence === entry.sequence && selection.includes(entry)) current.push(entry)
      else progress.complete(entry.sequence) // A newer change exists, or will, and comes by the scan.
    }
    return current
  }

  /** A change that was scanned is to be announced although it was completed. */
  reopen(entry: ChangeEntry): void {
    const ahead = this.#busy.get(entry.id)
    this.#options.progress.reopen(entry.sequence)
    if (ahead === undefined) this.#again.push(entry)
    else this.#putBehind(ahead, entry)
    this.#options.ready()
  }

  /** Takes up what failed long enough ago. */
  tick(now: number): void {
    if (this.#deferred.length === 0) return
    const due = this.#deferred.filter((d) => d.dueAt <= now)
    if (due.length === 0) return
    this.#deferred = this.#deferred.filter((d) => d.dueAt > now)
    for (const { entry } of due) this.#again.push(entry)
    this.#options.ready()
  }

  /** Whether the document may be tried once more. */
  countTry(id: string, max = MAX_TRIES): boolean {
    const tries = (this.#tries.get(id) ?? 0) + 1
    this.#tries.set(id, tries)
    return tries <= max
  }

  /** The change waits for the one of its document that is on its way, instead of what waited so far. */
  #putBehind(ahead: PushItem, entry: ChangeEntry): void {
    const { next } = ahead
    if (next !== undefined && next.sequence !== entry.sequence && next.sequence !== ahead.sequence)
      this.#options.progress.complete(next.sequence)
    ahead.next = entry
  }

  // ---- Ends

  finish(item: PushItem): void {
    if (item.next?.sequence !== item.sequence) this.#options.progress.complete(item.sequence)
    if (this.#tries.size > 0) this.#tries.delete(item.id)
    this.#release(item)
  }

  /** To be announced once more, soon. */
  repeat(item: PushItem): void {
    this.#release(item)
    this.#again.push(item)
  }

  failForGood(item: PushItem, error: KithmeshError): void {
    documentEnded(this.#context, 'push', this.#options.target, item, error, false)
    this.finish(item)
  }

  /** The sequence stays open: tried again after a while, or in the next session. */
  failTransiently(item: PushItem, error: KithmeshError): void {
    documentEnded(this.#context, 'push', this.#options.target, item, error, true)
    this.#release(item)
    const tries = (this.#tries.get(item.id) ?? 0) + 1
    this.#tries.set(item.id, tries)
    if (this.#options.retries) this.#deferred.push({ entry: item, dueAt: this.#context.now() + 1000 * Math.min(2 ** tries, 300) })
  }

  /** Lets the next revision of the document go. */
  #release(item: PushItem): void {
    if (this.#busy.get(item.id) === item) this.#busy.delete(item.id)
    if (item.next !== undefined) this.#again.push(item.next)
    if (item.next !== undefined || item.held !== undefined) this.#options.ready()
  }
}
