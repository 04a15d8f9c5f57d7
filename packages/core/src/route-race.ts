import type { Clock } from './contracts/clock.ts'

/** One way that takes part in a race. The callbacks are told how it ended, exactly one of them once, and must not throw. */
export interface RouteCandidate<T> {
  /** Lower starts earlier. */
  readonly rank: number
  /** Milliseconds of head start over the next one. @default that of the race */
  readonly holdMs?: number | undefined
  /** Asked when it is its turn: whether others have made it needless meanwhile. Then it is dropped, and no callback is told. */
  needless?(): boolean
  /** Resolves with the route; the signal aborts when it is no longer wanted. */
  start(signal: AbortSignal): Promise<T>
  won(): void
  failed(error: unknown): void
  /** It ran, and another one was faster, or the race was cancelled for the given reason. */
  lost(cancelled: { readonly reason: unknown } | undefined): void
  /** It was never started. */
  skipped(cancelled: { readonly reason: unknown } | undefined): void
}

export interface RouteRaceOptions<T> {
  readonly clock: Clock
  /** Milliseconds of head start that a candidate has over the next one, when it names none itself. */
  readonly staggerMs: number
  /** Gets rid of a route that arrived after the race was decided. */
  readonly discard: (late: T) => void
}

/**
 * Starts candidates one after the other, the next one when the head start of all that run is over, and takes the first that succeeds
 * (Happy Eyeballs, RFC 8305 §5, over whole strategies). A candidate that fails holds up nobody any longer. Candidates may be added while it
 * runs; one that ranks before all that run starts at once, as a head start is over later ones only. There is a single point where a route
 * is claimed; losers are aborted, and what they still deliver is discarded.
 */
export class RouteRace<T> {
  /** The winner; rejects with an AggregateError of all failures, or with the reason of `cancel`. */
  readonly result: Promise<T>
  readonly #options: RouteRaceOptions<T>
  readonly #running = new Map<RouteCandidate<T>, { readonly abort: AbortController; readonly heldUntil: number }>()
  readonly #errors: unknown[] = []
  #settle!: { readonly resolve: (value: T) => void; readonly reject: (reason: unknown) => void }
  #waiting: RouteCandidate<T>[] = []
  #cancelStagger: (() => void) | undefined
  #complete = false
  #decided = false
  #cancelled: { readonly reason: unknown } | undefined

  constructor(options: RouteRaceOptions<T>) {
    this.#options = options
    this.result = new Promise<T>((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
  }

  /** What has failed so far. */
  get errors(): readonly unknown[] {
    return this.#errors
  }

  /** Lets more candidates take part; those of equal rank start in the order of their addition. */
  add(candidates: ReadonlyArray<RouteCandidate<T>>): void {
    if (this.#decided) {
      for (const candidate of candidates) candidate.skipped(this.#cancelled)
      return
    }
    this.#waiting = [...this.#waiting, ...candidates].sort((one, other) => one.rank - other.rank)
    this.#advance()
  }

  /** No more candidates will be added: the race is lost when all of them have failed. */
  complete(): void {
    this.#complete = true
    this.#checkLost()
  }

  /** Ends the race without a winner. */
  cancel(reason: unknown): void {
    if (!this.#decided) this.#cancelled = { reason }
    this.#decide(undefined, () => {
      this.#settle.reject(reason)
    })
  }

  /** Starts the next candidate now, or when nobody that runs and ranks before it holds it up any more. */
  #advance(): void {
    this.#clearStagger()
    if (this.#decided) return
    if (this.#waiting.length === 0) {
      this.#checkLost()
      return
    }
    const { clock } = this.#options
    const { rank } = this.#waiting[0] as RouteCandidate<T>
    const holding = [...this.#running].filter(([running]) => running.rank <= rank)
    const wait = Math.max(0, ...holding.map(([, { heldUntil }]) => heldUntil - clock.monotonic()))
    if (wait === 0) {
      this.#startNext()
      return
    }
    this.#cancelStagger = clock.after(wait, () => {
      this.#cancelStagger = undefined
      this.#advance()
    })
  }

  #startNext(): void {
    const candidate = this.#waiting.shift() as RouteCandidate<T>
    if (candidate.needless?.() === true) {
      this.#advance()
      return
    }
    const { clock, staggerMs } = this.#options
    const abort = new AbortController()
    this.#running.set(candidate, { abort, heldUntil: clock.monotonic() + (candidate.holdMs ?? staggerMs) })
    new Promise<T>((resolve) => {
      resolve(candidate.start(abort.signal))
    }).then(
      (route) => {
        this.#claim(candidate, route)
      },
      (error: unknown) => {
        this.#failed(candidate, error)
      }
    )
    this.#advance()
  }

  #claim(candidate: RouteCandidate<T>, route: T): void {
    if (this.#decided) {
      this.#options.discard(route)
      return
    }
    this.#decide(candidate, () => {
      this.#settle.resolve(route)
    })
  }

  #failed(candidate: RouteCandidate<T>, error: unknown): void {
    if (this.#decided) return
    this.#running.delete(candidate)
    this.#errors.push(error)
    candidate.failed(error)
    this.#advance()
  }

  #checkLost(): void {
    if (!this.#complete || this.#decided || this.#running.size > 0 || this.#waiting.length > 0) return
    this.#decide(undefined, () => {
      this.#settle.reject(new AggregateError(this.#errors, 'Every route failed'))
    })
  }

  #decide(winner: RouteCandidate<T> | undefined, settle: () => void): void {
    if (this.#decided) return
    this.#decided = true
    this.#clearStagger()
    winner?.won()
    for (const [candidate, { abort }] of this.#running) {
      if (candidate === winner) continue
      candidate.lost(this.#cancelled)
      abort.abort(new DOMException('Another route was faster, or the connection is no longer wanted', 'AbortError'))
    }
    for (const candidate of this.#waiting) candidate.skipped(this.#cancelled)
    this.#running.clear()
    this.#waiting = []
    settle()
  }

  #clearStagger(): void {
    this.#cancelStagger?.()
    this.#cancelStagger = undefined
  }
}
