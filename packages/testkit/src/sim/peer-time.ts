import type { Clock } from '@kithmesh/core'
import { sleepOn, timeoutError } from '../real-clock.ts'
import type { VirtualEvent, VirtualScheduler, VirtualTime } from './virtual-time.ts'

/** A clock, and a scheduler, of one peer; both end with it. */
export class PeerTime implements VirtualScheduler {
  readonly #time: VirtualTime
  readonly #skewMs: number
  #ended = false
  readonly clock: Clock

  /** @param skewMs how far its wall clock is ahead */
  constructor(time: VirtualTime, skewMs = 0) {
    this.#time = time
    this.#skewMs = skewMs
    const clock: Clock = {
      now: () => time.startsAt + time.now + this.#skewMs,
      monotonic: () => time.now,
      after: (ms, run) => this.#after(ms, run),
      every: (ms, run) => this.#every(Math.max(1, ms), run),
      sleep: (ms, { signal } = {}) => sleepOn(clock, ms, signal),
      timeout: (ms, what) => {
        const controller = new AbortController()
        this.#after(ms, () => {
          controller.abort(timeoutError(ms, what))
        })
        return controller.signal
      }
    }
    this.clock = clock
  }

  /** The peer is gone: none of its timers runs any more, as when a process is killed. */
  end(): void {
    this.#ended = true
  }

  get ended(): boolean {
    return this.#ended
  }

  readonly soon = (run: () => void): void => {
    this.#time.soon(() => {
      if (!this.#ended) run()
    })
  }

  #after(ms: number, run: () => void): () => void {
    const event = this.#time.after(ms, () => {
      if (!this.#ended) run()
    })
    return () => {
      event.run = undefined
    }
  }

  #every(ms: number, run: () => void): () => void {
    let event: VirtualEvent
    let cancelled = false
    const again = (): void => {
      event = this.#time.after(ms, () => {
        if (this.#ended) return
        run()
        if (!cancelled) again()
      })
    }
    again()
    return () => {
      cancelled = true
      event.run = undefined
    }
  }
}
