import type { Logger } from '@kithmesh/core'

/** Listeners that are called one after the other, each shielded from the others' failures. */
export class Observers<T> {
  readonly #listeners = new Set<(value: T) => void>()
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  get size(): number {
    return this.#listeners.size
  }

  /** The returned function ends it. */
  add(listener: (value: T) => void): () => void {
    const own = (value: T): void => {
      listener(value)
    }
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  emit(value: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(value)
      } catch (error) {
        this.#logger.error('A listener threw', { error })
      }
    }
  }
}
