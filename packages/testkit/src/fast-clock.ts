import type { Clock } from '@kithmesh/core'
import { realClock } from './real-clock.ts'

/**
 * The machine's time as a clock on which everything takes a fraction of it: for tests in which sockets or processes take part, so that time cannot be moved by
 * hand. `now()` stays the wall clock.
 * @param factor how many times as fast
 *
 * @example
 * const clock = fastClock(10)
 * clock.after(5000, () => { console.log('half a second later') })
 */
export function fastClock(factor: number): Clock {
  const scaled = (ms: number): number => Math.ceil(ms / factor)
  return {
    now: () => realClock.now(),
    monotonic: () => realClock.monotonic() * factor,
    after: (ms, run) => realClock.after(scaled(ms), run),
    every: (ms, run, options) => realClock.every(scaled(ms), run, options),
    sleep: (ms, options) => realClock.sleep(scaled(ms), options),
    timeout: (ms, what) => realClock.timeout(scaled(ms), what)
  }
}
