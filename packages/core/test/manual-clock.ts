import { coreErrors } from '@kithmesh/core'
import type { Clock } from '@kithmesh/core'

interface Timer {
  readonly at: number
  readonly order: number
  readonly run: () => void
  readonly every: number | undefined
}

/** Lets everything that is ready run: several rounds of microtasks and one macrotask. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 3; round++)
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
}

/** Time that passes only by `advance`. */
export class ManualClock implements Clock {
  #now = 0
  #order = 0
  readonly #timers = new Set<Timer>()

  get pending(): number {
    return this.#timers.size
  }

  now(): number {
    return 1_700_000_000_000 + this.#now
  }
  monotonic(): number {
    return this.#now
  }

  after(ms: number, run: () => void): () => void {
    return this.#add(ms, run, undefined)
  }
  every(ms: number, run: () => void): () => void {
    return this.#add(ms, run, ms)
  }

  sleep(ms: number, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error)
        return
      }
      const cancel = this.after(ms, resolve)
      signal?.addEventListener(
        'abort',
        () => {
          cancel()
          reject(signal.reason as Error)
        },
        { once: true }
      )
    })
  }

  timeout(ms: number, what = 'The operation'): AbortSignal {
    const abort = new AbortController()
    this.after(ms, () => {
      abort.abort(coreErrors.create('ERR_CORE_TIMEOUT', `${what} did not finish within ${ms} ms`))
    })
    return abort.signal
  }

  /** Runs the timers that become due, in order, letting promises settle after each and at the end. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms
    await settle()
    for (;;) {
      const next = [...this.#timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at || a.order - b.order)[0]
      if (next === undefined) break
      this.#timers.delete(next)
      this.#now = next.at
      if (next.every !== undefined) this.#add(next.every, next.run, next.every)
      next.run()
      await settle()
    }
    this.#now = until
  }

  #add(ms: number, run: () => void, every: number | undefined): () => void {
    const timer: Timer = { at: this.#now + ms, order: this.#order++, run, every }
    this.#timers.add(timer)
    return () => {
      for (const each of this.#timers) if (each === timer || (every !== undefined && each.run === run)) this.#timers.delete(each)
    }
  }
}
