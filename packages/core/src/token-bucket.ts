import type { Clock } from './contracts/clock.ts'

/** How often something may happen: so many times at once, and so many per minute in the long run. */
export interface Rate {
  readonly burst: number
  readonly perMinute: number
}

/** Spends tokens that come back with time. */
export class TokenBucket {
  readonly #rate: Rate
  readonly #clock: Pick<Clock, 'monotonic'>
  #tokens: number
  #at: number

  constructor(rate: Rate, clock: Pick<Clock, 'monotonic'>) {
    this.#rate = rate
    this.#clock = clock
    this.#tokens = rate.burst
    this.#at = clock.monotonic()
  }

  /** Whether one could be taken now. */
  get available(): boolean {
    const now = this.#clock.monotonic()
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + ((now - this.#at) * this.#rate.perMinute) / 60_000)
    this.#at = now
    return this.#tokens >= 1
  }

  /** Only after `available` was true. */
  take(): void {
    this.#tokens -= 1
  }
}
