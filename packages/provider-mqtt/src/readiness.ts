import { waitFor } from '@kithmesh/core/plugin'
import { mqttErrors } from './errors.ts'
import type { LinkSync } from './link-sync.ts'

/** Waits for what one broker has to bring about, or all brokers fail to. */
export class Readiness {
  readonly #syncs: readonly LinkSync[]
  readonly #waiting = new Set<() => void>()
  #stopped = false

  constructor(syncs: readonly LinkSync[]) {
    this.#syncs = syncs
  }

  /** Something has changed at a broker. */
  check(): void {
    for (const check of [...this.#waiting]) check()
  }

  /** Whoever waits is told that it is over. */
  stop(): void {
    this.#stopped = true
    this.check()
  }

  /** @throws ERR_MQTT_NO_BROKER, ERR_MQTT_STOPPED, the signal's reason */
  until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    return waitFor<void>(signal, (resolve, reject) => {
      const check = (): void => {
        const error = this.#error()
        if (holds()) resolve()
        else if (error !== undefined) reject(error)
      }
      this.#waiting.add(check)
      check()
      return () => {
        this.#waiting.delete(check)
      }
    })
  }

  /** Why nothing more is to be waited for. */
  #error(): Error | undefined {
    if (this.#stopped) return mqttErrors.create('ERR_MQTT_STOPPED', 'The provider was stopped')
    const reasons = this.#syncs.flatMap(({ link, error }) => (error === undefined ? [] : [{ broker: link.id, error }]))
    if (reasons.length < this.#syncs.length) return undefined
    const errors = reasons.map(({ error }) => error)
    return mqttErrors.create('ERR_MQTT_NO_BROKER', `No broker can be used: ${errors.map(({ message }) => message).join('; ')}`, {
      cause: errors.length === 1 ? errors[0] : new AggregateError(errors, 'every broker failed'),
      details: { brokers: Object.fromEntries(reasons.map(({ broker, error }) => [broker, error.message])) }
    })
  }
}
