import { waitFor } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'

/** Lets one after another do something, in the order in which they came. */
export class Turns {
  readonly #waiting: Array<() => void> = []
  readonly #most: number
  #taken = false

  /** @param most how many may wait */
  constructor(most: number) {
    this.#most = most
  }

  /**
   * Waits for one's turn.
   * @returns ends it
   * @throws ERR_BLE_LIMIT when too many wait, the signal's reason
   */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#taken) {
      if (this.#waiting.length >= this.#most) throw bleErrors.create('ERR_BLE_LIMIT', `${this.#most} connections wait to be made already`)
      await waitFor<void>(signal, (resolve) => {
        const grant = (): void => {
          resolve()
        }
        this.#waiting.push(grant)
        return () => {
          const index = this.#waiting.indexOf(grant)
          if (index >= 0) this.#waiting.splice(index, 1)
        }
      })
    }
    this.#taken = true
    let over = false
    return () => {
      if (over) return
      over = true
      const next = this.#waiting.shift()
      if (next === undefined) this.#taken = false
      else next()
    }
  }
}
