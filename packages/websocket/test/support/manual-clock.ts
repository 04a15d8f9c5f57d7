import type { Clock } from '@kithmesh/core'

/** A clock that moves only when told. */
export interface ManualClock extends Clock {
  advance(ms: number): void
  readonly timers: number
}

export function manualClock(): ManualClock {
  let time = 0
  let timers: Array<{ at: number; run: () => void }> = []
  const after = (ms: number, run: () => void): (() => void) => {
    const timer = { at: time + ms, run }
    timers.push(timer)
    return () => {
      timers = timers.filter((one) => one !== timer)
    }
  }
  return {
    now: () => time,
    monotonic: () => time,
    after,
    every() {
      throw new Error('not used')
    },
    sleep() {
      throw new Error('not used')
    },
    timeout() {
      throw new Error('not used')
    },
    get timers() {
      return timers.length
    },
    advance(ms) {
      time += ms
      for (;;) {
        const due = timers.find(({ at }) => at <= time)
        if (due === undefined) return
        timers = timers.filter((one) => one !== due)
        due.run()
      }
    }
  }
}
