import type { Clock } from '@kithmesh/core'

export interface RenewalOptions {
  readonly clock: Clock
  /** Asked before each wait. */
  readonly intervalMs: () => number
  readonly renew: () => Promise<void>
  /** Whether trying again is of no use. */
  readonly isFinal: (error: unknown) => boolean
  /** How often it is tried before it counts as failed; 1, 2, 4 … seconds lie between. */
  readonly attempts: number
  readonly failed: (error: unknown) => void
}

/** Renews something before it expires, until it is stopped or fails. */
export class Renewal {
  readonly #options: RenewalOptions
  #stopped = false
  #cancel: () => void = () => {}

  constructor(options: RenewalOptions) {
    this.#options = options
    this.#wait(options.intervalMs(), 0)
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  #wait(ms: number, failures: number): void {
    if (this.#stopped) return
    this.#cancel = this.#options.clock.after(ms, () => {
      void this.#run(failures)
    })
  }

  async #run(failures: number): Promise<void> {
    const { renew, intervalMs, isFinal, attempts, failed } = this.#options
    try {
      await renew()
    } catch (error) {
      if (this.#stopped) return
      if (failures + 1 >= attempts || isFinal(error)) {
        this.stop()
        failed(error)
      } else this.#wait(1000 * 2 ** failures, failures + 1)
      return
    }
    this.#wait(intervalMs(), 0)
  }
}
