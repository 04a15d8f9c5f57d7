import { type Clock, systemClock } from '@kithmesh/core'

/** A clock whose time passes when the test says so; its timers are real. */
export class HandClock {
  #elapsed = 0

  readonly clock: Clock = { ...systemClock, now: () => 1_767_225_600_000 + this.#elapsed, monotonic: () => this.#elapsed }

  advance(ms: number): void {
    this.#elapsed += ms
  }
}
