import type { Clock, Logger } from '@kithmesh/core/plugin'
import { errorCode, limitedSignal } from '@kithmesh/core/plugin'

/** Before the first try: what just failed will hardly work at once. */
const firstPauseMs = 5_000
const maxPauseMs = 300_000
/** Between two tries at least, however often something changes. */
const minPauseMs = 1_000
/** For one try, after which the connection is given up. */
const tryDeadlineMs = 30_000
/** After a change is known here, the other device's account of it comes a little later: what began with the old one is not waited for. */
const settledMs = 3_000

export interface BetterRouteOptions<T> {
  readonly clock: Clock
  readonly logger: Logger
  readonly displayName: string
  /** Opens a better connection. */
  readonly open: (signal: AbortSignal) => Promise<T>
  /** Takes over what was opened. Called once, and nothing is tried after it. */
  readonly found: (connection: T) => void
  /** Gets rid of what was opened when nobody wanted it any more. */
  readonly discard: (connection: T) => void
}

/**
 * While a link is relayed or of last resort: looks for a better connection again and again, with growing pauses, and at once when something changed.
 * Made for one connection.
 */
export class BetterRoute<T> {
  readonly #options: BetterRouteOptions<T>
  readonly #life = new AbortController()
  #pauseMs = firstPauseMs
  #lastTry = Number.NEGATIVE_INFINITY
  #cancelPause: (() => void) | undefined
  #trying = false
  #cancelSettled: (() => void) | undefined
  #overtaken = false
  /** Ends the running try. */
  #running: AbortController | undefined

  constructor(options: BetterRouteOptions<T>) {
    this.#options = options
    this.#pause()
  }

  /**
   * The network or the device's addresses changed: tries now, or soon after the try before, and afresh in a few seconds, when both sides
   * should know of it.
   */
  nudge(): void {
    if (this.#life.signal.aborted) return
    this.#pauseMs = firstPauseMs
    this.#cancelSettled ??= this.#options.clock.after(settledMs, () => {
      this.#cancelSettled = undefined
      this.#overtaken = this.#trying
      if (this.#trying) this.#running?.abort(new DOMException('The network changed meanwhile', 'AbortError'))
      else this.#try()
    })
    const early = this.#lastTry + minPauseMs - this.#options.clock.monotonic()
    if (early <= 0) this.#try()
    else if (!this.#trying && !this.#life.signal.aborted) this.#tryAfter(early)
  }

  /** No longer wanted; a connection that is being opened is given up. Idempotent. */
  stop(): void {
    this.#cancelPause?.()
    this.#cancelPause = undefined
    this.#cancelSettled?.()
    this.#cancelSettled = undefined
    this.#life.abort(new DOMException('No better route is wanted any more', 'AbortError'))
  }

  #pause(): void {
    this.#tryAfter(this.#pauseMs)
    this.#pauseMs = Math.min(2 * this.#pauseMs, maxPauseMs)
  }

  #tryAfter(ms: number): void {
    this.#cancelPause?.()
    this.#cancelPause = this.#options.clock.after(ms, () => {
      this.#try()
    })
  }

  #try(): void {
    if (this.#trying || this.#life.signal.aborted) return
    this.#cancelPause?.()
    this.#cancelPause = undefined
    this.#trying = true
    const { clock, logger, displayName, open, found, discard } = this.#options
    this.#lastTry = clock.monotonic()
    const late = (): Error => new DOMException(`No better route was found within ${tryDeadlineMs} ms`, 'TimeoutError')
    this.#running = new AbortController()
    const limit = limitedSignal(clock, tryDeadlineMs, late, this.#life.signal, this.#running.signal)
    const end = (): void => {
      this.#running = undefined
      limit.release()
    }
    open(limit.signal).then(
      (connection) => {
        end()
        this.#cancelSettled?.()
        this.#cancelSettled = undefined
        if (this.#life.signal.aborted) discard(connection)
        else found(connection)
      },
      (error: unknown) => {
        end()
        this.#trying = false
        if (this.#life.signal.aborted) return
        logger.debug('there is no better route than the present one yet', { device: displayName, code: errorCode(error) })
        const again = this.#overtaken
        this.#overtaken = false
        if (again) this.#try()
        else this.#pause()
      }
    )
  }
}
