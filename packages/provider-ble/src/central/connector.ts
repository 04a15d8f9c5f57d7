import { type Clock, type Logger, waitFor } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import type { LoadedNoble, PeripheralLike } from '../library/noble-like.ts'
import { attempt } from './attempt.ts'
import { MAX_TRANSIENT_FAILURES, backoffMs, isTransient } from './connect-status.ts'
import type { HeardDevices } from './heard-devices.ts'
import type { Scanner } from './scanner.ts'
import { Turns } from './turns.ts'

/** Devices that may wait for their turn. */
const MAX_WAITING = 64
/** After an attempt that failed, the scan gets as long as that took, up to this: devices that are gone must not hide those that come. */
const MAX_BREATHER_MS = 1000

export interface ConnectorOptions {
  readonly loaded: LoadedNoble
  readonly heard: HeardDevices
  readonly scanner: Scanner
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  /** For one attempt. */
  readonly attemptMs: number
  /** For a device to be heard of that was not heard yet. */
  readonly hearMs: number
  readonly supervisionMs: number
}

/** Makes connections: one attempt at a time, as controllers know only one, while the scan pauses. */
export class Connector {
  readonly #options: ConnectorOptions
  readonly #turns = new Turns(MAX_WAITING)
  readonly #attempts = new Set<Promise<void>>()
  #cancelBreather: (() => void) | undefined

  constructor(options: ConnectorOptions) {
    this.#options = options
  }

  /**
   * Connects to a device. Failures that pass are tried again, behind those that wait already.
   * @throws ERR_BLE_CONNECT with `details.status`, ERR_BLE_TIMEOUT, ERR_BLE_LIMIT, the signal's reason
   */
  async connect(id: string, signal: AbortSignal): Promise<PeripheralLike> {
    const { clock, random, logger } = this.#options
    for (let failures = 0; ; ) {
      const peripheral = this.#options.heard.get(id) ?? (await this.#hear(id, signal))
      try {
        await this.#inTurn(peripheral, signal)
        return peripheral
      } catch (error) {
        signal.throwIfAborted()
        const status = connectStatus(error)
        if (!isTransient(status) || ++failures >= MAX_TRANSIENT_FAILURES) throw error
        logger.debug('A connection failed in passing', { device: id, status, failures })
      }
      await clock.sleep(backoffMs(failures, random()), { signal })
    }
  }

  /** What is still under way was aborted already. */
  end(): void {
    this.#cancelBreather?.()
  }

  /** Resolves when the controller is done with every attempt. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#attempts])
  }

  async #inTurn(peripheral: PeripheralLike, signal: AbortSignal): Promise<void> {
    const { loaded, scanner, clock, attemptMs, supervisionMs } = this.#options
    const endTurn = await this.#turns.take(signal)
    let resume: (() => void) | undefined
    let running: Promise<void> | undefined
    let began = clock.monotonic()
    let breatherMs = 0
    try {
      resume = await scanner.pause()
      began = clock.monotonic()
      running = attempt(peripheral, { loaded, clock, ms: attemptMs, supervisionMs, signal })
      this.#attempts.add(running)
      await running
    } catch (error) {
      if (connectStatus(error) === undefined && scanner.wanted) breatherMs = Math.min(clock.monotonic() - began, MAX_BREATHER_MS)
      throw error
    } finally {
      if (running !== undefined) this.#attempts.delete(running)
      resume?.()
      if (breatherMs > 0 && !signal.aborted) this.#cancelBreather = clock.after(breatherMs, endTurn)
      else endTurn()
    }
  }

  /** A device can be connected to once the library has heard it. */
  async #hear(id: string, signal: AbortSignal): Promise<PeripheralLike> {
    const { heard, scanner, clock, hearMs } = this.#options
    const unwant = await scanner.want()
    try {
      return await waitFor(signal, (resolve, reject) => {
        const endHearing = heard.onceHeard(id, resolve)
        const cancelDeadline = clock.after(hearMs, () => {
          reject(bleErrors.create('ERR_BLE_CONNECT', `${id} was not heard within ${hearMs} ms`, { details: { id } }))
        })
        return () => {
          endHearing()
          cancelDeadline()
        }
      })
    } finally {
      void unwant()
    }
  }
}

/** Why the controller ended an attempt, when it said so. */
export function connectStatus(error: unknown): number | undefined {
  const status = (error as { details?: { status?: unknown } } | undefined)?.details?.status
  return typeof status === 'number' ? status : undefined
}
