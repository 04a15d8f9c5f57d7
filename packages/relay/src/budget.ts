import type { Clock } from '@kithmesh/core'

/**
 * So much per second in the long run, and a number of seconds' worth at once. What is spent beyond that is owed: whoever cannot drop what
 * came waits until the debt is paid.
 */
export class Budget {
  readonly #perSecond: number
  readonly #burst: number
  readonly #clock: Pick<Clock, 'monotonic'>
  #left: number
  #at: number

  constructor(perSecond: number, burstSeconds: number, clock: Pick<Clock, 'monotonic'>) {
    this.#perSecond = perSecond
    this.#burst = perSecond * burstSeconds
    this.#clock = clock
    this.#left = this.#burst
    this.#at = clock.monotonic()
  }

  /** Takes so much if there is anything left; false takes nothing. */
  take(amount: number): boolean {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return true
    this.#refill()
    if (this.#left <= 0) return false
    this.#left -= amount
    return true
  }

  /** Takes so much in any case; milliseconds until there is something left. */
  owe(amount: number): number {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return 0
    this.#refill()
    this.#left -= amount
    return this.#left > 0 ? 0 : Math.ceil((1 - this.#left) / (this.#perSecond / 1_000))
  }

  #refill(): void {
    const now = this.#clock.monotonic()
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) * this.#perSecond) / 1_000)
    this.#at = now
  }
}
