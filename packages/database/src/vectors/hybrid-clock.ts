import type { Clock } from '@kithmesh/core/plugin'
import { databaseErrors } from '../errors.ts'
import { compareTimes } from './version.ts'

const COUNTER_MASK = 0xffffn
const NANOSECONDS = 1_000_000n

/** How far ahead of our clock a time from elsewhere may be, ms (cbmobile.md §15). */
export const MAX_CLOCK_SKEW_MS = 120_000

/**
 * A hybrid logical clock (cbmobile.md §15): times in nanoseconds since 1970 whose low 16 bits count, as hexadecimal digits. They follow
 * the machine's clock while that goes forward, and go on from the last one when it does not.
 */
export class HybridClock {
  readonly #clock: Clock
  #last = 0n
  #lastText = ''
  #limitText = ''

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The latest time made or seen; `''` at first. */
  get last(): string {
    return this.#lastText
  }

  /** A time later than all that were made or seen, and than `after`. */
  next(after = ''): string {
    this.resume(after)
    const now = (BigInt(Math.floor(this.#clock.now())) * NANOSECONDS) & ~COUNTER_MASK
    this.#set(now > this.#last ? now : this.#last + 1n)
    return this.#lastText
  }

  /** Goes on from a time that is trusted: our own, read back, or one in a document that was accepted. */
  resume(time: string): void {
    if (compareTimes(time, this.#lastText) > 0) this.#set(BigInt(`0x${time}`))
  }

  /**
   * Takes note of a time made elsewhere: what is made here from now on is later.
   * @throws ERR_DB_CLOCK_SKEW when it is more than two minutes ahead of the machine's clock.
   */
  observe(time: string): void {
    if (compareTimes(time, this.#lastText) <= 0) return
    this.check(time)
    this.#set(BigInt(`0x${time}`))
  }

  /** @throws ERR_DB_CLOCK_SKEW as {@link observe}, without taking note. */
  check(time: string): void {
    if (compareTimes(time, this.#limitText) <= 0) return
    const now = Math.floor(this.#clock.now())
    this.#limitText = (BigInt(now + MAX_CLOCK_SKEW_MS) * NANOSECONDS).toString(16)
    if (compareTimes(time, this.#limitText) <= 0) return
    const aheadMs = Number(BigInt(`0x${time}`) / NANOSECONDS) - now
    throw databaseErrors.create('ERR_DB_CLOCK_SKEW', `A revision was made ${Math.round(aheadMs / 1000)} s ahead of this machine's clock`, {
      details: { aheadMs, limitMs: MAX_CLOCK_SKEW_MS }
    })
  }

  #set(time: bigint): void {
    this.#last = time
    this.#lastText = time.toString(16)
  }
}
