import { silentLogger, systemClock } from '@kithmesh/core'
import type { Clock, Logger } from '@kithmesh/core'
import { Lifecycle, ObserverSet } from '@kithmesh/core/plugin'
import { checkClockOptions } from './check-options.ts'
import { clockErrors } from './errors.ts'
import { measureNetworkTime } from './measure.ts'
import type { MeasureOptions, NetworkTime } from './measure.ts'
import { isKept, ServerManners } from './measurement-policy.ts'

/** How far this machine's wall clock is off, told when it becomes too much. */
export interface ClockSkew {
  /** Network time minus this machine's, milliseconds. */
  readonly offsetMs: number
  readonly uncertaintyMs: number
}

/** Called in a later turn than the call that led to it; what an observer throws is logged, once as an error. */
export interface NetworkClockObserver {
  /** A new measurement is in use. */
  measured?(time: NetworkTime): void
  /** The wall clock is off by more than the limit, even allowing for the uncertainty. Told once until it is right again. */
  skewed?(skew: ClockSkew): void
  /** A measurement failed; the clock goes on with what it has. */
  failed?(error: unknown): void
}

export interface NetworkClockOptions {
  /** Time servers, `host`, `host:port` or `[IPv6]:port`. None is asked that is not named here; three or more can outvote a wrong one. */
  readonly servers: readonly string[]
  /** Between two measurements, 1,000 to 86,400,000 milliseconds; each wait is up to a tenth longer or shorter. @default 600000 */
  readonly intervalMs?: number
  /** For one measurement, 1 to 3,600,000 milliseconds. @default 2000 */
  readonly deadlineMs?: number
  /** Exchanges with each server, 1–8. @default 4 */
  readonly samples?: number
  /** How fast this machine's clock may drift, millionths, 0 to 1,000,000. @default 50 */
  readonly driftPpm?: number
  /** The wall clock is called skewed when it is off by more than this, 0 to 86,400,000 milliseconds. @default 1000 */
  readonly skewLimitMs?: number
  /** The address to send from. @default any */
  readonly localAddress?: string
  /** @default systemClock */
  readonly clock?: Clock
  /** @default silentLogger */
  readonly logger?: Logger
  /** Where the time comes from instead of NTP. @default measureNetworkTime */
  readonly measure?: (options: MeasureOptions) => Promise<NetworkTime>
}

const INTERVAL_MS = 600_000
const FIRST_RETRY_MS = 15_000
const DRIFT_PPM = 50
const SKEW_LIMIT_MS = 1_000
/** How often the wall clock is compared with the monotonic one, to notice sleep and clocks being set. */
const CHECK_MS = 15_000
const JUMP_MS = 250
/** Wall clocks count whole milliseconds: differences up to this are not jumps. */
const WALL_RESOLUTION_MS = 2

/**
 * The network's time: measured from NTP servers at the start, every ten minutes, when the network changes and when the machine's clock
 * jumped. For meeting other peers at one instant and for warning of wrong clocks. Never a source of timestamps for documents.
 *
 * It follows the monotonic clock, so setting the wall clock does not move it. `start` and `stop` may be called at any time, in any order.
 */
export class NetworkClock implements AsyncDisposable {
  readonly #options: NetworkClockOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #measure: (options: MeasureOptions) => Promise<NetworkTime>
  readonly #manners: ServerManners
  readonly #observers: ObserverSet<NetworkClockObserver>
  readonly #lifecycle: Lifecycle
  #latest: { readonly time: NetworkTime; readonly wallMinusMonotonic: number } | undefined
  #running: { readonly abort: AbortController; readonly done: Promise<NetworkTime> } | undefined
  /** The network changed during the measurement that is going on. */
  #again = false
  #failures = 0
  #skewed = false
  #cancelNext: () => void = () => {}
  #cancelCheck: () => void = () => {}
  #checkedJump = 0

  /** Asks nobody yet. @throws ERR_NTP_SERVER for a server's name that cannot be understood; TypeError for other options that make no sense. */
  constructor(options: NetworkClockOptions) {
    checkClockOptions(options)
    this.#options = { ...options, servers: [...options.servers] }
    this.#clock = options.clock ?? systemClock
    this.#logger = options.logger ?? silentLogger
    this.#observers = new ObserverSet(this.#logger)
    this.#measure = options.measure ?? measureNetworkTime
    this.#manners = new ServerManners(options.intervalMs ?? INTERVAL_MS)
    this.#lifecycle = new Lifecycle({
      start: (signal) => this.#doStart(signal),
      stop: () => this.#doStop()
    })
  }

  /** Resolves after the first measurement, whether or not it succeeded: within the deadline. */
  start(): Promise<void> {
    return this.#lifecycle.start()
  }

  /** Ends a measurement that is going on. What was measured stays, and grows less certain. */
  stop(): Promise<void> {
    return this.#lifecycle.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** The latest measurement in use. */
  get latest(): NetworkTime | undefined {
    return this.#latest?.time
  }

  /** Milliseconds since 1970 by the network; by this machine's wall clock as long as nothing was measured. */
  now(): number {
    if (this.#latest === undefined) return this.#clock.now()
    const { networkMs, measuredAt } = this.#latest.time
    return networkMs + this.#clock.monotonic() - measuredAt
  }

  /** Network time minus this machine's wall clock, milliseconds; 0 as long as nothing was measured. */
  get offsetMs(): number {
    return this.now() - this.#clock.now()
  }

  /**
   * The true time is at most this far from `now()`, milliseconds: that of the measurement, plus the drift since, plus however far the wall
   * clock has moved against the monotonic one, which a machine that slept cannot tell from being set. Infinite when nothing was measured.
   */
  get uncertaintyMs(): number {
    if (this.#latest === undefined) return Infinity
    const { time, wallMinusMonotonic } = this.#latest
    const elapsed = this.#clock.monotonic() - time.measuredAt
    const drift = (elapsed * (this.#options.driftPpm ?? DRIFT_PPM)) / 1_000_000
    const jump = Math.abs(this.#jumpSince(wallMinusMonotonic))
    return time.uncertaintyMs + drift + (jump < WALL_RESOLUTION_MS ? 0 : jump)
  }

  /** The returned function ends the observation. */
  addObserver(observer: NetworkClockObserver): () => void {
    return this.#observers.add(observer)
  }

  /** To be called when the machine's addresses changed: measures again, if started. */
  networkChanged(): void {
    if (this.#lifecycle.state !== 'started') return
    this.#failures = 0
    if (this.#running === undefined) this.#schedule(0)
    else this.#again = true
  }

  /**
   * Measures now; calls at the same time share one measurement.
   * @throws what {@link measureNetworkTime} throws; ERR_NTP_STOPPED when the clock is not started, or is stopped meanwhile.
   */
  async measure(): Promise<NetworkTime> {
    const { state } = this.#lifecycle
    if (state !== 'started' && state !== 'starting') throw clockErrors.create('ERR_NTP_STOPPED', 'The network clock is not started')
    this.#running ??= this.#begin()
    return this.#running.done
  }

  #begin(): { readonly abort: AbortController; readonly done: Promise<NetworkTime> } {
    this.#cancelNext()
    const abort = new AbortController()
    const done = this.#run(abort.signal).finally(() => {
      this.#running = undefined
      if (!abort.signal.aborted) this.#schedule(this.#again ? 0 : this.#nextWait())
      this.#again = false
    })
    return { abort, done }
  }

  async #run(signal: AbortSignal): Promise<NetworkTime> {
    const { deadlineMs, samples, localAddress } = this.#options
    const servers = this.#manners.askable(this.#options.servers, this.#clock.monotonic())
    try {
      if (servers.length === 0) throw clockErrors.create('ERR_NTP_NO_ANSWER', 'Every time server has refused to be asked again now')
      const time = await this.#measure({
        servers,
        signal,
        clock: this.#clock,
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
        ...(samples === undefined ? {} : { samples }),
        ...(localAddress === undefined ? {} : { localAddress })
      })
      signal.throwIfAborted()
      this.#manners.heed(time.servers, this.#clock.monotonic())
      this.#accept(time)
      return time
    } catch (error) {
      if (!signal.aborted) this.#fail(error)
      throw error
    }
  }

  #accept(time: NetworkTime): void {
    this.#failures = 0
    for (const { server, outcome, offsetMs } of time.servers) {
      if (outcome === 'falseticker')
        this.#logger.warn('A time server contradicts the majority and is ignored', { server, offsetMs: Math.round(offsetMs ?? 0) })
    }
    const known = this.#latest === undefined ? undefined : { offsetMs: this.offsetMs, uncertaintyMs: this.uncertaintyMs }
    if (isKept(known, time)) {
      this.#logger.debug('The earlier measurement is still the better one', { uncertaintyMs: time.uncertaintyMs })
    } else {
      this.#latest = { time, wallMinusMonotonic: this.#clock.now() - this.#clock.monotonic() }
      this.#checkedJump = 0
      this.#logger.debug('The network time is measured', { offsetMs: time.offsetMs, uncertaintyMs: time.uncertaintyMs })
      this.#observers.notify('measured', time)
    }
    this.#checkSkew()
  }

  #fail(error: unknown): void {
    this.#failures++
    const { servers } = (error as { details?: { servers?: NetworkTime['servers'] } }).details ?? {}
    this.#manners.heed(servers ?? [], this.#clock.monotonic())
    this.#logger[this.#failures === 1 ? 'warn' : 'debug']('The network time could not be measured', { error })
    this.#observers.notify('failed', error)
  }

  #checkSkew(): void {
    const { offsetMs, uncertaintyMs } = this
    const limit = this.#options.skewLimitMs ?? SKEW_LIMIT_MS
    const skewed = Math.abs(offsetMs) - uncertaintyMs > limit
    if (skewed && !this.#skewed) {
      this.#logger.warn("This machine's clock is wrong; set it, or let it be kept by NTP", {
        offsetMs: Math.round(offsetMs),
        uncertaintyMs: Math.round(uncertaintyMs)
      })
      this.#observers.notify('skewed', { offsetMs, uncertaintyMs })
    }
    this.#skewed = skewed
  }

  async #doStart(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => {
      this.#abortRun()
    }
    signal.addEventListener('abort', onAbort, { once: true })
    this.#cancelCheck = this.#clock.every(CHECK_MS, () => {
      this.#checkJump()
    })
    try {
      await this.measure()
    } catch {
      signal.throwIfAborted()
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  async #doStop(): Promise<void> {
    const running = this.#running?.done
    this.#abortRun()
    this.#cancelNext()
    this.#cancelCheck()
    await running?.catch(() => {})
    this.#cancelNext()
    this.#failures = 0
  }

  #abortRun(): void {
    this.#running?.abort.abort(clockErrors.create('ERR_NTP_STOPPED', 'The network clock was stopped'))
  }

  #schedule(ms: number): void {
    this.#cancelNext()
    this.#cancelNext = this.#clock.after(ms, () => {
      this.measure().catch(() => {})
    })
  }

  /** A tenth more or less, so that peers that started together do not ask together; sooner after a failure. */
  #nextWait(): number {
    const interval = this.#options.intervalMs ?? INTERVAL_MS
    const wait = this.#failures === 0 ? interval : Math.min(interval, FIRST_RETRY_MS * 2 ** (this.#failures - 1))
    return wait * (0.9 + Math.random() * 0.2)
  }

  #checkJump(): void {
    if (this.#latest === undefined) return
    const jump = this.#jumpSince(this.#latest.wallMinusMonotonic)
    if (Math.abs(jump - this.#checkedJump) < JUMP_MS) return
    this.#checkedJump = jump
    this.#logger.debug('The wall clock was set, or the machine slept', { byMs: Math.round(jump) })
    this.networkChanged()
  }

  #jumpSince(wallMinusMonotonic: number): number {
    return this.#clock.now() - this.#clock.monotonic() - wallMinusMonotonic
  }
}
