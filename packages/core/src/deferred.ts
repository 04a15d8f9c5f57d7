/**
 * A promise with its resolvers outside, for places where the settling code is not the creating code
 * (`Promise.withResolvers` does not exist on Node 20). Settling twice is harmless; the first call wins.
 */
export class Deferred<T> {
  readonly promise: Promise<T>
  #resolve!: (value: T | PromiseLike<T>) => void
  #reject!: (reason: unknown) => void
  #settled = false

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  /** Whether `resolve` or `reject` was called. */
  get settled(): boolean {
    return this.#settled
  }

  resolve(value: T | PromiseLike<T>): void {
    this.#settled = true
    this.#resolve(value)
  }

  reject(reason: unknown): void {
    this.#settled = true
    this.#reject(reason)
  }
}
