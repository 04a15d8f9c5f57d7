import { systemClock } from '@kithmesh/core'
import type { Clock } from '@kithmesh/core'

/** The system clock run `factor` times as fast: waits of the protocol take less of the tests' time. */
export function fastClock(factor: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() * factor,
    after: (ms, run) => systemClock.after(ms / factor, run),
    every: (ms, run) => systemClock.every(ms / factor, run),
    sleep: (ms, options) => systemClock.sleep(ms / factor, options),
    timeout: (ms, what) => systemClock.timeout(ms / factor, what)
  }
}
