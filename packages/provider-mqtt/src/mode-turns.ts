import { mqttErrors } from './errors.ts'

/** Starts and stops of one mode, one after the other in the order of their calls; a stop also ends a start under way. */
export class ModeTurns {
  #last: Promise<void> = Promise.resolve()
  #wish = new AbortController()

  /** Aborts when the mode is stopped. */
  get signal(): AbortSignal {
    return this.#wish.signal
  }

  start(run: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const { signal } = this.#wish
    return this.#next(() => run(signal))
  }

  stop(run: () => Promise<void>): Promise<void> {
    this.#wish.abort(mqttErrors.create('ERR_MQTT_STOPPED', 'It was stopped before it had begun'))
    this.#wish = new AbortController()
    return this.#next(run)
  }

  #next(run: () => Promise<void>): Promise<void> {
    const result = this.#last.then(run)
    this.#last = result.catch(() => {})
    return result
  }
}
