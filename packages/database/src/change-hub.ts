import type { Logger } from '@kithmesh/core/plugin'

/**
 * Tells listeners that a collection changed: once per turn of the event loop however many commits there were, and never from within
 * the call that committed. Listeners are isolated from each other.
 */
export class ChangeHub {
  readonly #listeners = new Map<number, Set<() => void>>()
  /** The last sequence each listened-to collection had when its listeners were last called. */
  readonly #seen = new Map<number, number>()
  readonly #dirty = new Set<number>()
  readonly #lastSequence: (collection: number) => number | undefined
  readonly #logger: Logger
  #scheduled: NodeJS.Immediate | undefined
  #closed = false
  /** Called when the first listener comes and when the last one goes. */
  onInterest: (interested: boolean) => void = () => {}

  constructor(lastSequence: (collection: number) => number | undefined, logger: Logger) {
    this.#lastSequence = lastSequence
    this.#logger = logger
  }

  listen(collection: number, listener: () => void): () => void {
    if (this.#closed) return () => {}
    let listeners = this.#listeners.get(collection)
    if (listeners === undefined) {
      this.#listeners.set(collection, (listeners = new Set()))
      this.#seen.set(collection, this.#lastSequence(collection) ?? 0)
      if (this.#listeners.size === 1) this.onInterest(true)
    }
    const entry = (): void => {
      listener()
    }
    listeners.add(entry)
    const own = listeners
    return () => {
      if (!own.delete(entry) || own.size > 0 || this.#listeners.get(collection) !== own) return
      this.#listeners.delete(collection)
      if (this.#listeners.size === 0 && !this.#closed) this.onInterest(false)
    }
  }

  /** This process committed to the collection. */
  committed(collection: number): void {
    if (this.#closed || !this.#listeners.has(collection)) return
    this.#dirty.add(collection)
    this.#schedule()
  }

  /** Another process committed something. */
  committedElsewhere(): void {
    for (const collection of this.#listeners.keys()) {
      if (this.#lastSequence(collection) !== this.#seen.get(collection)) this.committed(collection)
    }
  }

  /** No listener is called any more. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#listeners.clear()
    if (this.#scheduled !== undefined) clearImmediate(this.#scheduled)
    this.onInterest(false)
  }

  #schedule(): void {
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined
      const collections = [...this.#dirty]
      this.#dirty.clear()
      for (const collection of collections) {
        this.#seen.set(collection, this.#lastSequence(collection) ?? 0)
        for (const listener of this.#listeners.get(collection) ?? []) {
          try {
            listener()
          } catch (error) {
            this.#logger.error('A change listener failed', { error })
          }
        }
      }
    })
  }
}
