import type { ChangeEntry } from '@kithmesh/database/replication'
import { replicatorErrors } from '../errors.ts'
import { documentEnded } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import { passesPushFilter } from './document-filter.ts'
import type { StoredRevision } from './document-filter.ts'
import type { PushProgress } from './progress.ts'

export interface ChangeSelectionOptions {
  readonly target: SessionCollection
  readonly progress: PushProgress
  /** Skips the tombstones of the backlog (`activeOnly` of subChanges). */
  readonly activeOnly: boolean
  readonly documentIds: ReadonlySet<string> | undefined
}

/** More is not remembered of what the peer has: hearing of it once more does no harm. */
const MAX_HEARD = 10_000

/** Which of one collection's changes go to the peer at all. */
export class ChangeSelection {
  readonly #context: SessionContext
  readonly #options: ChangeSelectionOptions
  /** Tombstones up to here may be left out: the peer cannot have the documents. Later ones may end what it was just sent. */
  #backlogEnd = 0
  /** Own inserts of this session: what came from the peer is not sent back to it. */
  readonly #echoes = new Set<number>()
  /** Revisions that the peer said it has before they were scanned here, by document. */
  readonly #heard = new Map<string, string>()
  /** The last change that was left out for that, while nothing after it was announced. */
  #lastEcho: ChangeEntry | undefined

  constructor(context: SessionContext, options: ChangeSelectionOptions) {
    this.#context = context
    this.#options = options
  }

  /** The backlog ends with what the collection has now. */
  start(): void {
    this.#backlogEnd = this.#options.target.collection.lastSequence
  }

  /** A sequence that the peer itself just gave us. */
  echo(sequence: number): void {
    if (sequence > this.#options.progress.scannedTo) this.#echoes.add(sequence)
  }

  /** The peer has this revision. */
  heard(id: string, revId: string): void {
    if (this.#heard.size < MAX_HEARD) this.#heard.set(id, revId)
  }

  includes(entry: ChangeEntry): boolean {
    const { progress, documentIds, activeOnly } = this.#options
    if (progress.isCompletedEarlier(entry.sequence) || this.#isTheirs(entry)) return false
    if (documentIds !== undefined && !documentIds.has(entry.id)) return false
    if (activeOnly && entry.deleted && entry.sequence <= this.#backlogEnd) return false
    // 11. Documents in conflict wait for their resolution, which is a new change.
    return !(entry.conflicted && this.#context.active)
  }

  /** The application's own filter, which sees the document; apart from {@link includes} because it costs a read. */
  passesFilter(entry: ChangeEntry): boolean {
    const { pushFilter, collection } = this.#options.target
    if (pushFilter === undefined) return true
    const revision = collection.revision(entry.id, entry.revId)
    return revision === undefined || this.passesRevision(revision)
  }

  /** The same for a revision that was read; a filter that fails is reported and refuses. */
  passesRevision(revision: StoredRevision): boolean {
    const { target } = this.#options
    try {
      return passesPushFilter(target, this.#context.peerId, revision)
    } catch (cause) {
      const error = replicatorErrors.create('ERR_REPL_FILTER', `The push filter failed for document "${revision.id}"`, { cause })
      documentEnded(this.#context, 'push', target, revision, error, false)
      return false
    }
  }

  /** The scan went past these changes and `announced` some of them. */
  scanned(entries: readonly ChangeEntry[], announced: boolean): void {
    if (announced) this.#lastEcho = undefined
    const last = entries.at(-1)
    if (last !== undefined && this.#isTheirs(last)) this.#lastEcho = last
    if (this.#echoes.size > 0) for (const entry of entries) this.#echoes.delete(entry.sequence)
    if (this.#heard.size > 0) for (const entry of entries) this.#heard.delete(entry.id)
  }

  #isTheirs({ sequence, id, revId }: ChangeEntry): boolean {
    return this.#echoes.has(sequence) || (this.#heard.size > 0 && this.#heard.get(id) === revId)
  }

  /** The change that was left out last because it came from the peer, unless something was announced since; once. */
  takeLastEcho(): ChangeEntry | undefined {
    const entry = this.#lastEcho
    this.#lastEcho = undefined
    return entry
  }
}
