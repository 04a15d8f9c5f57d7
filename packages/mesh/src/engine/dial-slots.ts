import { waitFor } from '@kithmesh/core/plugin'
import type { Connector } from './contracts.ts'

/** Dials as `dial` does, so many at a time. */
export function dialsAtATime(dial: Connector['dial'], most: number): Connector['dial'] {
  const slots = new DialSlots(most)
  return async (deviceId, displayName, options) => {
    const release = await slots.take(options.signal)
    try {
      return await dial(deviceId, displayName, options)
    } finally {
      release()
    }
  }
}

/** Lets a bounded number of things happen at a time; the others wait in line. */
export class DialSlots {
  readonly #waiting = new Set<() => void>()
  #free: number

  constructor(slots: number) {
    this.#free = slots
  }

  /**
   * Resolves when it is the caller's turn, with the function that ends the turn.
   * @throws the signal's reason.
   */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#free > 0) this.#free--
    else await this.#queue(signal)
    let taken = true
    return () => {
      if (!taken) return
      taken = false
      this.#release()
    }
  }

  #queue(signal: AbortSignal): Promise<void> {
    return waitFor<void>(signal, (resolve) => {
      this.#waiting.add(resolve)
      return () => {
        this.#waiting.delete(resolve)
      }
    })
  }

  #release(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free++
    } else {
      this.#waiting.delete(next)
      next()
    }
  }
}
