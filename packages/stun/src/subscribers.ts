/** Functions that are told of something, each isolated from what the others throw. */
export class Subscribers<Args extends readonly unknown[]> {
  readonly #all = new Set<(...args: Args) => void>()
  readonly #failed: (error: unknown) => void

  /** @param failed gets what a subscriber throws. */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed
  }

  get size(): number {
    return this.#all.size
  }

  /** The returned function ends the subscription; a function that is added twice is told twice. */
  add(subscriber: (...args: Args) => void): () => void {
    const own = (...args: Args): void => {
      subscriber(...args)
    }
    this.#all.add(own)
    return () => {
      this.#all.delete(own)
    }
  }

  tell(...args: Args): void {
    for (const subscriber of this.#all) {
      try {
        subscriber(...args)
      } catch (error) {
        this.#failed(error)
      }
    }
  }
}
