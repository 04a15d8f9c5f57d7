import { type Clock, type Logger, waitFor } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import type { NobleLike, PeripheralLike } from '../library/noble-like.ts'

/** The library has said nothing by then: it never will. */
const COMMAND_MS = 2000
/** Between two attempts to begin a scan that did not. */
const AGAIN_MS = 1000

export interface ScannerOptions {
  readonly noble: NobleLike
  readonly clock: Clock
  readonly logger: Logger
  /** Every report of every device that advertises one of the services. */
  readonly onReport: (peripheral: PeripheralLike) => void
}

/**
 * Keeps the library scanning while that is wanted and nothing speaks against it. What is wanted may change at any time; the library is only
 * told the next thing when it is done with the last one.
 */
export class Scanner {
  readonly #options: ScannerOptions
  readonly #end = new AbortController()
  #service: string | undefined
  #wanted = 0
  #pauses = 0
  #scanning: string | undefined
  #working: Promise<void> | undefined
  #cancelAgain: (() => void) | undefined
  #ended = false
  #lastError: Error | undefined

  constructor(options: ScannerOptions) {
    this.#options = options
    options.noble.on('discover', this.#onDiscover)
    options.noble.on('scanStop', this.#onScanStop)
  }

  /** Whether somebody wants a scan, and so loses something by a pause. */
  get wanted(): boolean {
    return this.#wanted > 0
  }

  /** @param service the UUID of what is scanned for from now on, without dashes; undefined for everything */
  select(service: string | undefined): void {
    this.#service = service
  }

  /**
   * Begins to want a scan; resolves when it runs, or would run if nothing paused it.
   * @returns ends wanting it
   * @throws ERR_BLE_ADAPTER_FAILED, with the cause
   */
  async want(): Promise<() => Promise<void>> {
    this.#wanted++
    await this.#settle()
    if (this.#lastError !== undefined && this.#shouldScan()) {
      this.#wanted--
      throw this.#lastError
    }
    let over = false
    return async () => {
      if (over) return
      over = true
      this.#wanted--
      await this.#settle()
    }
  }

  /** Resolves when no scan runs. @returns ends the pause */
  async pause(): Promise<() => void> {
    this.#pauses++
    await this.#settle()
    let over = false
    return () => {
      if (over) return
      over = true
      this.#pauses--
      void this.#settle()
    }
  }

  /** Scans no more and listens no more. Does not wait for the library, which may not be there any more. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#cancelAgain?.()
    if (this.#scanning !== undefined && this.#options.noble.state === 'poweredOn') this.#options.noble.stopScanning(() => undefined)
    this.#scanning = undefined
    this.#end.abort(bleErrors.create('ERR_BLE_SHUT_DOWN', 'The scan was ended'))
    this.#options.noble.removeListener('discover', this.#onDiscover)
    this.#options.noble.removeListener('scanStop', this.#onScanStop)
  }

  readonly #onDiscover = (peripheral: PeripheralLike): void => {
    if (!this.#ended && this.#scanning !== undefined) this.#options.onReport(peripheral)
  }

  // Somebody else stopped it: the library before it connects, or another program on a shared adapter.
  readonly #onScanStop = (): void => {
    if (this.#working !== undefined || this.#scanning === undefined) return
    this.#scanning = undefined
    this.#later()
  }

  #shouldScan(): boolean {
    return this.#wanted > 0 && this.#pauses === 0 && !this.#ended
  }

  /** What is to be scanned for: no services for all of them, undefined for nothing at all. */
  #target(): string | undefined {
    return this.#shouldScan() ? (this.#service ?? '') : undefined
  }

  #settle(): Promise<void> {
    this.#cancelAgain?.()
    this.#cancelAgain = undefined
    this.#working ??= this.#work()
    return this.#working
  }

  async #work(): Promise<void> {
    // One turn, so that what is wanted and unwanted at once costs nothing.
    await Promise.resolve()
    try {
      await this.#reach()
    } finally {
      // At once: who comes after the last look at what is wanted begins anew.
      this.#working = undefined
    }
  }

  async #reach(): Promise<void> {
    this.#lastError = undefined
    while (this.#scanning !== this.#target()) {
      try {
        if (this.#scanning !== undefined) await this.#stop()
        else await this.#start(this.#target() ?? '')
      } catch (error) {
        if (this.#ended) return
        this.#lastError = bleErrors.create('ERR_BLE_ADAPTER_FAILED', 'The adapter does not scan', { cause: error })
        this.#options.logger.warn('Bluetooth devices cannot be looked for', { error })
        this.#later()
        return
      }
    }
  }

  async #start(target: string): Promise<void> {
    const { noble } = this.#options
    // At once: the first reports may come together with the answer to the command, and some controllers make no others.
    this.#scanning = target
    try {
      await this.#command((done) => {
        noble.startScanning(target === '' ? [] : [target], true, done)
      })
    } catch (error) {
      this.#scanning = undefined
      throw error
    }
  }

  async #stop(): Promise<void> {
    // Whatever comes of it, the library was told to stop.
    this.#scanning = undefined
    await this.#command((done) => {
      this.#options.noble.stopScanning(() => {
        done()
      })
    })
  }

  #command(begin: (done: (error?: Error | null) => void) => void): Promise<void> {
    return waitFor(this.#end.signal, (resolve, reject) => {
      begin((error) => {
        if (error === undefined || error === null) resolve()
        else reject(error)
      })
      return this.#options.clock.after(COMMAND_MS, () => {
        reject(new Error(`no answer within ${COMMAND_MS} ms`))
      })
    })
  }

  #later(): void {
    if (this.#ended) return
    this.#cancelAgain?.()
    this.#cancelAgain = this.#options.clock.after(AGAIN_MS, () => {
      void this.#settle()
    })
  }
}
