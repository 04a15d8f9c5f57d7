/** Lets so many through at a time for each key; the others wait in order. */
export class Turnstile {
  readonly #limit: number
  readonly #inside = new Map<string, number>()
  readonly #waiting = new Map<string, Array<() => void>>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Resolves with the function to leave with (once), or rejects with the signal's reason. */
  async enter(key: string, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    const inside = this.#inside.get(key) ?? 0
    if (inside < this.#limit) this.#inside.set(key, inside + 1)
    else
      await new Promise<void>((resolve, reject) => {
        const queue = this.#waiting.get(key) ?? []
        this.#waiting.set(key, queue)
        const admit = (): void => {
          signal.removeEventListener('abort', onAbort)
          resolve()
        }
        const onAbort = (): void => {
          queue.splice(queue.indexOf(admit), 1)
          if (queue.length === 0) this.#waiting.delete(key)
          reject(signal.reason as Error)
        }
        queue.push(admit)
        signal.addEventListener('abort', onAbort, { once: true })
      })
    return () => {
      this.#leave(key)
    }
  }

  #leave(key: string): void {
    const queue = this.#waiting.get(key)
    const next = queue?.shift()
    if (queue?.length === 0) this.#waiting.delete(key)
    if (next !== undefined) {
      next()
      return
    }
    const inside = (this.#inside.get(key) ?? 1) - 1
    if (inside === 0) this.#inside.delete(key)
    else this.#inside.set(key, inside)
  }
}
