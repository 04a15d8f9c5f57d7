import type { Clock } from './contracts/clock.ts'

/** How often something may happen: so many times at once, and so many per minute in the long run. */
export interface Rate {
  readonly burst: number
  readonly perMinute: number
}

/** Lets through what comes as often as a rate allows: spends tokens that come back with time. */
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
    return this.waitMs === 0
  }

  /** Milliseconds after which one can be taken, rounded up; 0 when now. */
  get waitMs(): number {
    this.#refill()
    const missing = 1 - this.#tokens
    // What a wait of exactly that long leaves missing is the rounding of sums.
    return missing <= 1e-9 ? 0 : Math.ceil((missing * 60_000) / this.#rate.perMinute)
  }

  /** Whether it is as if nothing had ever been taken. */
  get full(): boolean {
    this.#refill()
    return this.#tokens >= this.#rate.burst
  }

  /** Takes one; false when there is none. */
  take(): boolean {
    if (!this.available) return false
    this.#tokens -= 1
    return true
  }

  /** Makes up for one that was taken and should not count. */
  giveBack(): void {
    this.#refill()
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + 1)
  }

  #refill(): void {
    const now = this.#clock.monotonic()
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + ((now - this.#at) * this.#rate.perMinute) / 60_000)
    this.#at = now
  }
}
