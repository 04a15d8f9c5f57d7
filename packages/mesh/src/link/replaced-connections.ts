import { type Clock, withDeadline } from '@kithmesh/core/plugin'

/** How long a connection that a newer one of the same device replaces may go on: the device ends it itself when it moves to a better route. */
export const replacedMs = 10_000
/** How many may do so at a time; one more cuts the oldest, so that a device that connects over and over costs little. */
const maxReplaced = 2

/** As much of a connection as matters here. */
export interface Replaced {
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>
  /** Ends it in order. */
  end(code: number, reason: string): Promise<void>
  terminate(): void
}

/** Incoming connections of one device that newer ones replaced and that have not ended yet. */
export class ReplacedConnections {
  readonly #clock: Clock
  /** In the order in which they were replaced. */
  readonly #running = new Set<Replaced>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when the device has ended the connection, which is done for it after a while, when there are too many, or when the signal aborts. */
  end(connection: Replaced, signal: AbortSignal): Promise<void> {
    const [oldest] = this.#running
    if (oldest !== undefined && this.#running.size >= maxReplaced) {
      this.#running.delete(oldest)
      oldest.terminate()
    }
    this.#running.add(connection)
    const gone = connection.ended.then(() => {
      this.#running.delete(connection)
    })
    return withDeadline(() => gone, { clock: this.#clock, ms: replacedMs, what: 'Being replaced', signal }).catch(() =>
      connection.end(1000, 'replaced')
    )
  }
}
