import { type Clock, type LimitedSignal, limitedSignal } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'

/** One thing that is done for a caller, with an end: its cancellation, the deadline, or that everything is stopped. */
export class Operation {
  readonly #limit: LimitedSignal
  #phase = 'looking for it'

  constructor(clock: Clock, id: string, ms: number, stopped: AbortSignal, signal: AbortSignal) {
    const late = (): Error =>
      bleErrors.create('ERR_BLE_TIMEOUT', `${id} was not done with in ${ms} ms: ${this.#phase}`, { details: { id, phase: this.#phase } })
    this.#limit = limitedSignal(clock, ms, late, signal, stopped)
  }

  /** Aborts with the reason that the caller is to get. */
  get signal(): AbortSignal {
    return this.#limit.signal
  }

  /** What is being waited for, for the message when time is up: `connecting`. */
  phase(phase: string): void {
    this.#phase = phase
  }

  end(): void {
    this.#limit.release()
  }
}
