import type { Clock, Logger } from '@kithmesh/core/plugin'
import { errorCode } from '@kithmesh/core/plugin'

/** Before the first try: what just failed will hardly work at once. */
const firstPauseMs = 5_000
const maxPauseMs = 300_000
/** For one try, after which the connection is given up. */
const tryDeadlineMs = 30_000

export interface BetterRouteOptions<T> {
  readonly clock: Clock
  readonly logger: Logger
  readonly displayName: string
  /** Opens a connection that is not relayed. */
  readonly open: (signal: AbortSignal) => Promise<T>
  /** Takes over what was opened. Called once, and nothing is tried after it. */
  readonly found: (connection: T) => void
}

/**
 * While a link is relayed: looks for a direct connection again and again, with growing pauses, and at once when something changed.
 * Made for one relayed connection.
 */
export class BetterRoute<T> {
  readonly #options: BetterRouteOptions<T>
  readonly #life = new AbortController()
  #pauseMs = firstPauseMs
  #cancelPause: (() => void) | undefined
  #trying = false

  constructor(options: BetterRouteOptions<T>) {
    this.#options = options
    this.#pause()
  }

  /** The network or the device's addresses changed: tries now. */
  nudge(): void {
    this.#pauseMs = firstPauseMs
    this.#try()
  }

  /** No longer wanted; a connection that is being opened is given up. Idempotent. */
  stop(): void {
    this.#cancelPause?.()
    this.#cancelPause = undefined
    this.#life.abort(new DOMException('No better route is wanted any more', 'AbortError'))
  }

  #pause(): void {
    this.#cancelPause = this.#options.clock.after(this.#pauseMs, () => {
      this.#try()
    })
    this.#pauseMs = Math.min(2 * this.#pauseMs, maxPauseMs)
  }

  #try(): void {
    if (this.#trying || this.#life.signal.aborted) return
    this.#cancelPause?.()
    this.#cancelPause = undefined
    this.#trying = true
    const { clock, logger, displayName, open, found } = this.#options
    open(AbortSignal.any([this.#life.signal, clock.timeout(tryDeadlineMs, 'Looking for a better route')])).then(
      (connection) => {
        found(connection)
      },
      (error: unknown) => {
        this.#trying = false
        if (this.#life.signal.aborted) return
        logger.debug('there is no better route than the relayed one yet', { device: displayName, code: errorCode(error) })
        this.#pause()
      }
    )
  }
}
