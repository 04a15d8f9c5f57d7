import { InstantHeap } from './instant-heap.ts'

/** What is to happen at an instant. */
export interface VirtualEvent {
  /** Undefined once it has happened or was cancelled. */
  run: (() => void) | undefined
}

/** Runs work in a later turn of the event loop. */
export interface VirtualScheduler {
  soon(run: () => void): void
}

/** How far a run went. */
export interface RunLimits {
  /** Milliseconds since the beginning; nothing later happens. */
  readonly until: number
  /** Asked after each instant; true ends the run there. */
  readonly stop?: () => boolean
}

/**
 * Time that passes only when nothing is left to do: events by millisecond, one after the other, in the order in which they were planned. After the events
 * of an instant everything that hangs on them (promises, callbacks of the event loop, work for {@link VirtualTime.soon}) runs before time goes on,
 * so the same seed gives the same order of everything.
 */
export class VirtualTime {
  /** Wall-clock milliseconds at the beginning. */
  readonly startsAt: number
  #now = 0
  readonly #instants = new InstantHeap()
  readonly #events = new Map<number, VirtualEvent[]>()
  #soon: (() => void)[] = []
  #instantsPassed = 0

  /** @param startsAt wall-clock milliseconds since 1970 @default 2026-01-01T00:00:00Z */
  constructor(startsAt = Date.UTC(2026, 0, 1)) {
    this.startsAt = startsAt
  }

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.#now
  }

  /** Instants at which anything happened. */
  get instantsPassed(): number {
    return this.#instantsPassed
  }

  /** Plans an event in that many milliseconds, rounded up to whole ones. To cancel it, take its `run` away. */
  after(ms: number, run: () => void): VirtualEvent {
    const at = this.#now + Math.max(0, Math.ceil(ms))
    const event: VirtualEvent = { run }
    let events = this.#events.get(at)
    if (events === undefined) {
      this.#events.set(at, (events = []))
      this.#instants.push(at)
    }
    events.push(event)
    return event
  }

  /** Later in the present instant, after what is running now and its promises. */
  soon(run: () => void): void {
    this.#soon.push(run)
  }

  /** Lets time pass. Resolves at the limit, when told to stop, or when nothing is planned any more. */
  async run({ until, stop }: RunLimits): Promise<void> {
    await this.#settle()
    while (stop?.() !== true) {
      const next = this.#instants.first
      if (next === undefined || next > until) {
        this.#now = Math.max(this.#now, next === undefined && stop !== undefined ? this.#now : until)
        return
      }
      this.#now = next
      this.#instants.pop()
      const events = this.#events.get(next) as VirtualEvent[]
      // More may be planned for this very instant meanwhile: they are appended.
      let ran = false
      for (let i = 0; i < events.length; i++) {
        const event = events[i] as VirtualEvent
        const { run } = event
        if (run === undefined) continue
        event.run = undefined
        ran = true
        run()
      }
      this.#events.delete(next)
      if (!ran) continue
      this.#instantsPassed++
      await this.#settle()
    }
  }

  async #settle(): Promise<void> {
    await turn()
    while (this.#soon.length > 0) {
      const batch = this.#soon
      this.#soon = []
      for (const run of batch) run()
      await turn()
    }
    // What the event loop ran last may have planned callbacks of its own.
    await turn()
    if (this.#soon.length > 0) await this.#settle()
  }
}

/** All promises, and the callbacks that wait for the next turn of the event loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}
