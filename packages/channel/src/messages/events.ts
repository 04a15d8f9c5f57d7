import type { Logger } from '@kithmesh/core'
import type { ReceivedBody } from '../body.ts'
import { checkName } from './requests.ts'

/** Hears of the peer's events of one name; a promise holds up what comes after. */
export type EventListener = (body: ReceivedBody, event: { readonly name: string; readonly peerId: string }) => void | Promise<void>

/** Listeners by the name of the event. */
export class Events {
  readonly #peerId: string
  readonly #logger: Logger
  readonly #listeners = new Map<string, Set<EventListener>>()

  constructor(peerId: string, logger: Logger) {
    this.#peerId = peerId
    this.#logger = logger
  }

  on(name: string, listener: EventListener): () => void {
    checkName(name)
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0 && this.#listeners.get(name) === listeners) this.#listeners.delete(name)
    }
  }

  /** Tells every listener; settles when all have. None disturbs another. */
  receive(name: string, body: ReceivedBody): void | Promise<void> {
    const waits: Promise<void>[] = []
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        const result = listener(body, { name, peerId: this.#peerId })
        if (result instanceof Promise)
          waits.push(
            result.catch((error: unknown) => {
              this.#failed(name, error)
            })
          )
      } catch (error) {
        this.#failed(name, error)
      }
    }
    if (waits.length > 0) return Promise.all(waits).then(() => {})
  }

  #failed(name: string, error: unknown): void {
    this.#logger.error('A listener of an event failed', { name, error })
  }
}
