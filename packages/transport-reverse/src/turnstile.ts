import { waitFor } from '@kithmesh/core/plugin'

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
      await waitFor<void>(signal, (resolve) => {
        const queue = this.#waiting.get(key) ?? []
        this.#waiting.set(key, queue)
        queue.push(resolve)
        return () => {
          const index = queue.indexOf(resolve)
          if (index >= 0) queue.splice(index, 1)
          if (queue.length === 0) this.#waiting.delete(key)
        }
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
