import { systemClock, type Clock } from '@kithmesh/core'

/** A clock on which only waits of so many milliseconds ever end, and those at once: before the operating system can answer anything. */
export function strikingClock(ms: number): Clock {
  return {
    ...systemClock,
    monotonic: () => 0,
    after(waited, run) {
      if (waited === ms) queueMicrotask(run)
      return () => {}
    }
  }
}
