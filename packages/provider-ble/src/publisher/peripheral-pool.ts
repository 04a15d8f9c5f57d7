import { errorCode, type Clock, type Logger } from '@kithmesh/core/plugin'
import type { CentralSession } from './central-session.ts'
import type { AdvertisedData, Peripheral, PeripheralOptions } from './peripheral.ts'

const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 5_000

export type PeripheralHandlers = Pick<PeripheralOptions, 'accepted' | 'left' | 'refused' | 'failed'>

export interface PeripheralPoolOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Centrals at a time, over all instances. */
  readonly maxCentrals: number
  /** Makes an instance of the library. @throws what stands in the way */
  readonly create: (handlers: PeripheralHandlers) => Peripheral
  /** What is to be advertised now; undefined while nothing is published. */
  readonly data: () => AdvertisedData | undefined
  /** Told when Bluetooth was on and is no longer. */
  readonly failed: (error: Error) => void
  /** Runs one thing after the other. */
  readonly exclusively: (run: () => Promise<void>) => Promise<void>
}

/**
 * Keeps advertising while centrals come and go. A library that serves one central gets a fresh instance for the next as soon as the one that
 * advertised is taken, and the taken one is given up when its central leaves; a library that serves many has one instance (ble.md §6.4).
 */
export class PeripheralPool {
  readonly #options: PeripheralPoolOptions
  /** The one that advertises, or would if there were room for more centrals. */
  #armed: Peripheral | undefined
  readonly #taken = new Set<Peripheral>()
  #cancelRetry = (): void => {}
  #retryMs = FIRST_RETRY_MS

  constructor(options: PeripheralPoolOptions) {
    this.#options = options
  }

  *sessions(): Iterable<CentralSession> {
    for (const peripheral of this.#all()) yield* peripheral.sessions
  }

  /**
   * Advertises what is to be advertised, with an instance made for it when there is none, or when the one there was fails and nobody uses it.
   * @throws ERR_BLE_PUBLISH and whatever keeps an instance from being made; it goes on trying then, until `disarm`
   */
  async arm(): Promise<void> {
    this.#cancelRetry()
    try {
      if (this.#armed === undefined || !(await this.#keepArmed(this.#armed))) await this.#armAnother()
      if (this.#retryMs > FIRST_RETRY_MS) this.#options.logger.info('Advertising goes on')
      this.#retryMs = FIRST_RETRY_MS
    } catch (error) {
      this.#retryLater(error)
      throw error
    }
  }

  /** Ends advertising. Centrals stay connected. */
  async disarm(): Promise<void> {
    this.#cancelRetry()
    this.#retryMs = FIRST_RETRY_MS
    const armed = this.#armed
    if (armed === undefined) return
    try {
      await armed.stopAdvertising()
    } catch (error) {
      this.#options.logger.debug('Advertising was not ended properly', { error })
      this.#giveUp(armed)
    }
    if (armed.centrals === 0) this.#giveUp(armed)
  }

  /** Gives up all instances, and with them all links that came about by advertising. */
  release(): void {
    this.#cancelRetry()
    for (const peripheral of this.#all()) this.#giveUp(peripheral)
  }

  *#all(): Iterable<Peripheral> {
    if (this.#armed !== undefined) yield this.#armed
    yield* [...this.#taken]
  }

  get #centrals(): number {
    let sum = 0
    for (const peripheral of this.#all()) sum += peripheral.centrals
    return sum
  }

  /** @returns false when it is better to take another */
  async #keepArmed(armed: Peripheral): Promise<boolean> {
    try {
      await this.#advertise(armed)
      return true
    } catch (error) {
      // An adapter without room for more refuses; that is no reason to lose the centrals there are.
      if (this.#options.data() === undefined || armed.centrals > 0) throw error
      this.#options.logger.debug('Advertising failed, and is begun anew', { error })
      this.#giveUp(armed)
      return false
    }
  }

  async #armAnother(): Promise<void> {
    if (this.#options.data() === undefined || this.#centrals >= this.#options.maxCentrals) return
    const peripheral = this.#options.create({
      accepted: (which) => {
        this.#accepted(which)
      },
      left: (which) => {
        this.#left(which)
      },
      refused: () => {
        this.#retryLater(new Error('The adapter refuses to advertise'))
      },
      failed: (which, error) => {
        this.#giveUp(which)
        this.#retryLater(error)
        this.#options.failed(error)
      }
    })
    this.#armed = peripheral
    try {
      await peripheral.start()
      await this.#advertise(peripheral)
    } catch (error) {
      this.#giveUp(peripheral)
      throw error
    }
  }

  async #advertise(peripheral: Peripheral): Promise<void> {
    const data = this.#options.data()
    if (data === undefined) return
    await peripheral.serve(data.serviceUuid)
    if (peripheral === this.#armed && this.#centrals < this.#options.maxCentrals) await peripheral.advertise(data)
  }

  #accepted(peripheral: Peripheral): void {
    if (peripheral === this.#armed) {
      if (peripheral.manyCentrals) {
        if (this.#centrals >= this.#options.maxCentrals) this.#stopQuietly(peripheral)
        return
      }
      // Now, so that the library does not advertise with this instance again when the central leaves.
      this.#stopQuietly(peripheral)
      this.#armed = undefined
      this.#taken.add(peripheral)
      this.#rearm()
    } else {
      // Two centrals got to an instance that can serve one: the library has lost the first.
      this.#giveUp(peripheral)
      this.#armed?.advertisingEnded()
      this.#rearm()
    }
  }

  #left(peripheral: Peripheral): void {
    if (this.#taken.has(peripheral) || (this.#options.data() === undefined && peripheral.centrals === 0)) this.#giveUp(peripheral)
    this.#rearm()
  }

  #rearm(): void {
    if (this.#options.data() === undefined) return
    // What went wrong is told and tried again there.
    this.#options.exclusively(() => this.arm()).catch(() => {})
  }

  #retryLater(error: unknown): void {
    if (this.#options.data() === undefined) return
    const level = this.#retryMs === FIRST_RETRY_MS ? 'warn' : 'debug'
    this.#options.logger[level]('Advertising does not go on, and is tried again', { code: errorCode(error), error, afterMs: this.#retryMs })
    this.#cancelRetry()
    this.#cancelRetry = this.#options.clock.after(this.#retryMs, () => {
      this.#rearm()
    })
    this.#retryMs = Math.min(LAST_RETRY_MS, this.#retryMs * 2)
  }

  #stopQuietly(peripheral: Peripheral): void {
    peripheral.stopAdvertising().catch((error: unknown) => {
      this.#options.logger.debug('Advertising was not ended properly', { error })
    })
  }

  #giveUp(peripheral: Peripheral): void {
    if (peripheral === this.#armed) this.#armed = undefined
    this.#taken.delete(peripheral)
    peripheral.release()
  }
}
