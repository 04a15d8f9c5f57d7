import type { Clock } from '@kithmesh/core'
import { sleepOn, timeoutError } from './real-clock.ts'

interface Timer {
  readonly id: number
  at: number
  readonly every: number | undefined
  readonly run: () => void
}

/** A clock that stands still until the test moves it. */
export interface ManualClock extends Clock {
  /**
   * Moves the time forward, running every timer that falls due at its own instant, in order, and letting pending promises
   * and I/O callbacks settle after each. Resolves when the whole time has passed.
   */
  advance(ms: number): Promise<void>
  /** Sets the wall clock alone, as a person or NTP does; timers and `monotonic` do not notice. */
  setNow(epochMs: number): void
  /** Timers not yet run or cancelled: zero after an orderly shutdown. */
  readonly pending: number
}

/**
 * Makes a clock for tests.
 * @param startAt wall-clock milliseconds since 1970 @default 2026-01-01T00:00:00Z
 *
 * @example
 * const clock = manualClock()
 * clock.after(1000, () => { console.log('a second later') })
 * await clock.advance(1000)
 */
export function manualClock(startAt = Date.UTC(2026, 0, 1)): ManualClock {
  const timers = new Map<number, Timer>()
  let elapsed = 0
  let offset = startAt
  let nextId = 1

  const add = (ms: number, every: number | undefined, run: () => void): (() => void) => {
    const timer: Timer = { id: nextId++, at: elapsed + Math.max(0, ms), every, run }
    timers.set(timer.id, timer)
    return () => {
      timers.delete(timer.id)
    }
  }
  const due = (until: number): Timer | undefined => {
    let first: Timer | undefined
    for (const timer of timers.values()) {
      if (timer.at <= until && (first === undefined || timer.at < first.at || (timer.at === first.at && timer.id < first.id))) first = timer
    }
    return first
  }
  const settle = (): Promise<void> =>
    new Promise((resolve) => {
      setImmediate(resolve)
    })

  return {
    now: () => offset + elapsed,
    monotonic: () => elapsed,
    after: (ms, run) => add(ms, undefined, run),
    every: (ms, run) => add(ms, Math.max(1, ms), run),
    sleep(ms, { signal } = {}) {
      return sleepOn(this, ms, signal)
    },
    timeout(ms, what) {
      const controller = new AbortController()
      add(ms, undefined, () => {
        controller.abort(timeoutError(ms, what))
      })
      return controller.signal
    },
    async advance(ms) {
      const until = elapsed + ms
      await settle()
      for (let timer = due(until); timer !== undefined; timer = due(until)) {
        elapsed = timer.at
        if (timer.every === undefined) timers.delete(timer.id)
        else timer.at += timer.every
        timer.run()
        await settle()
      }
      elapsed = until
    },
    setNow(epochMs) {
      offset = epochMs - elapsed
    },
    get pending() {
      return timers.size
    }
  }
}
