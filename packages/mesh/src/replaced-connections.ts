import { type Clock, withDeadline } from '@kithmesh/core/plugin'
import type { Passive } from './link-sides.ts'

/** How long a connection that a newer one of the same device replaces may go on: the device ends it itself when it moves to a better route. */
const replacedMs = 10_000
/** How many may do so at a time; one more cuts the oldest, so that a device that connects over and over costs little. */
const maxReplaced = 2

/** Incoming connections of one device that newer ones replaced and that have not ended yet. */
export class ReplacedConnections {
  readonly #clock: Clock
  /** In the order in which they were replaced. */
  readonly #running = new Set<Passive>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when the device has ended the connection, which is done for it after a while, when there are too many, or when the signal aborts. */
  end(passive: Passive, signal: AbortSignal): Promise<void> {
    const { service } = passive
    const [oldest] = this.#running
    if (oldest !== undefined && this.#running.size >= maxReplaced) {
      this.#running.delete(oldest)
      oldest.socket.terminate()
    }
    this.#running.add(passive)
    const gone = new Promise<void>((resolve) => {
      service.onStatus(({ activity }) => {
        if (activity !== 'stopped') return
        this.#running.delete(passive)
        resolve()
      })
    })
    return withDeadline(() => gone, { clock: this.#clock, ms: replacedMs, what: 'Being replaced', signal }).catch(() => service.stop(1000))
  }
}
