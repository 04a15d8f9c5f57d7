import type { Logger } from '../contracts/logger.ts'
import type { ObservableList } from '../contracts/trust.ts'
import { silentLogger } from '../loggers.ts'
import { ObserverSet } from '../observer-set.ts'

interface Watcher<T> {
  changed(current: readonly T[]): void
}

/**
 * An {@link ObservableList} over whatever the owner keeps its entries in. The snapshot is made when somebody looks, so that a change costs
 * nothing while nobody does.
 *
 * @example
 * const list = new ListState(() => [...entries.values()])
 * entries.set(id, entry)
 * list.changed()
 */
export class ListState<T> implements ObservableList<T> {
  readonly #snapshot: () => readonly T[]
  readonly #watchers: ObserverSet<Watcher<T>>
  readonly #readers = new Set<ListReader<T>>()
  #current: readonly T[] | undefined
  #telling = false
  #watching = 0

  /** @param snapshot makes a new array of what is in the list now */
  constructor(snapshot: () => readonly T[], logger: Logger = silentLogger) {
    this.#snapshot = snapshot
    this.#watchers = new ObserverSet<Watcher<T>>(logger, { changed: (_, later) => later })
  }

  get current(): readonly T[] {
    this.#current ??= Object.freeze(this.#snapshot())
    return this.#current
  }

  onChange(listener: (current: readonly T[]) => void): () => void {
    const stop = this.#watchers.add({ changed: (current) => listener(current) })
    this.#watching++
    let watches = true
    return () => {
      if (watches) this.#watching--
      watches = false
      stop()
    }
  }

  changes({ signal }: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<readonly T[]> {
    const reader = new ListReader<T>(
      () => this.current,
      (ended) => {
        this.#readers.delete(ended)
      },
      signal
    )
    if (reader.open) this.#readers.add(reader)
    return reader
  }

  /** To be called by the owner after every change. */
  changed(): void {
    this.#current = undefined
    if (this.#telling) return
    this.#telling = true
    queueMicrotask(() => {
      this.#telling = false
      for (const reader of [...this.#readers]) reader.wake()
      if (this.#watching > 0) this.#watchers.notify('changed', this.current)
    })
  }

  /** Ends the iterations of all readers, after they have seen the last state, and forgets the listeners. */
  end(): void {
    for (const reader of [...this.#readers]) reader.end()
    this.#watchers.clear()
  }
}

/** Keeps no states, only whether there is one that the reader has not seen: its memory does not grow however slow the reader is. */
class ListReader<T> implements AsyncIterableIterator<readonly T[]> {
  readonly #current: () => readonly T[]
  readonly #ended: (reader: ListReader<T>) => void
  readonly #signal: AbortSignal | undefined
  #waiting: Array<(result: IteratorResult<readonly T[], undefined>) => void> = []
  #unseen = true
  #open = true

  constructor(current: () => readonly T[], ended: (reader: ListReader<T>) => void, signal: AbortSignal | undefined) {
    this.#current = current
    this.#ended = ended
    this.#signal = signal
    if (signal?.aborted === true) {
      this.#open = false
      this.#unseen = false
    } else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get open(): boolean {
    return this.#open
  }

  async next(): Promise<IteratorResult<readonly T[], undefined>> {
    if (this.#unseen) {
      this.#unseen = false
      return { done: false, value: this.#current() }
    }
    if (!this.#open) return { done: true, value: undefined }
    return await new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  async return(): Promise<IteratorResult<readonly T[], undefined>> {
    this.#unseen = false
    this.end()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  wake(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#unseen = true
    else next({ done: false, value: this.#current() })
  }

  end(): void {
    if (!this.#open) return
    this.#open = false
    this.#signal?.removeEventListener('abort', this.#onAbort)
    for (const next of this.#waiting.splice(0)) next({ done: true, value: undefined })
    this.#ended(this)
  }

  readonly #onAbort = (): void => {
    this.#unseen = false
    this.end()
  }
}
