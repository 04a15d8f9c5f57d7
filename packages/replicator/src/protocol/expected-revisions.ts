import type { PullProgress, RemoteEntry } from './progress.ts'

const START_OVER_MS = 30_000

/**
 * The revisions that were asked for and did not come yet, by their sequence. Passive sides ask for none: they have no `progress`.
 *
 * The peer announces each sequence once, so what failed for a while comes again only in a new session.
 */
export class ExpectedRevisions {
  readonly #progress: PullProgress | undefined
  readonly #bySequence = new Map<string, RemoteEntry>()
  /** When to start over because something failed that may work later. */
  #startOverAt: number | undefined

  constructor(progress: PullProgress | undefined) {
    this.#progress = progress
  }

  get size(): number {
    return this.#bySequence.size
  }

  has(sequence: string): boolean {
    return this.#bySequence.has(sequence)
  }

  get(sequence: string | undefined): RemoteEntry | undefined {
    return sequence === undefined ? undefined : this.#bySequence.get(sequence)
  }

  /** Announced, and asked for. */
  expect(sequence: string, id: string): void {
    const entry = this.#progress?.announce(sequence, false, id)
    if (entry !== undefined) this.#bySequence.set(sequence, entry)
  }

  /** The documents that they are of; undefined when there are none. */
  documents(): ReadonlySet<string> | undefined {
    if (this.#bySequence.size === 0) return undefined
    const ids = new Set<string>()
    for (const { id } of this.#bySequence.values()) ids.add(id)
    return ids
  }

  /** Announced, and not needed. */
  pass(sequence: string): void {
    this.#progress?.announce(sequence, true)
  }

  complete(entry: RemoteEntry): void {
    this.#bySequence.delete(entry.sequence)
    this.#progress?.complete(entry)
  }

  /** It does not come. After a transient failure the sequence stays open, so that the next session asks again. */
  drop(entry: RemoteEntry, transient: boolean, now: number): void {
    if (!transient) {
      this.complete(entry)
      return
    }
    this.#bySequence.delete(entry.sequence)
    this.#startOverAt ??= now + START_OVER_MS
  }

  /** Whether a new session has to ask again for what was dropped, and by now may succeed. */
  isStartOverDue(now: number): boolean {
    return this.#startOverAt !== undefined && now >= this.#startOverAt
  }

  startedOver(): void {
    this.#startOverAt = undefined
  }
}
