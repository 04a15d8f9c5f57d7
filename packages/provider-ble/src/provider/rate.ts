/**
 * Lets `burst` through at once and `perSecond` in the long run. It says when the next one may be taken and is told the time, as those parts
 * need that plan ahead and have no clock; core's `TokenBucket` answers only whether one may be taken now.
 */
export class Rate {
  readonly #perSecond: number
  readonly #burst: number
  #tokens: number
  #at: number

  /** @param now milliseconds of a clock that never goes back, as in the methods */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
    this.#at = now
  }

  /** When the next one may be taken; not later than `now` when at once. */
  nextAt(now: number): number {
    const tokens = this.#refilled(now)
    return tokens >= 1 ? now : now + ((1 - tokens) / this.#perSecond) * 1000
  }

  take(now: number): void {
    this.#tokens = Math.max(0, this.#refilled(now) - 1)
    this.#at = now
  }

  #refilled(now: number): number {
    return Math.min(this.#burst, this.#tokens + ((now - this.#at) * this.#perSecond) / 1000)
  }
}
