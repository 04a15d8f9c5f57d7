import { type Clock, type Logger, withDeadline } from '@kithmesh/core/plugin'

const deadlineMs = 10_000
const cutDeadlineMs = 1_000

/** Connections that are being ended. One that takes too long about it is cut. */
export class ClosingConnections {
  readonly #running = new Set<Promise<void>>()
  readonly #logger: Logger
  readonly #clock: Clock

  constructor({ logger, clock }: { readonly logger: Logger; readonly clock: Clock }) {
    this.#logger = logger
    this.#clock = clock
  }

  /**
   * Resolves when the connection has ended, whatever comes of `ending`.
   * @param afterMs How long `ending` may wait before it begins.
   */
  add(ending: Promise<void>, connection: { terminate(): void }, name: string, afterMs = 0): Promise<void> {
    const ended = this.#end(ending, connection, name, afterMs).finally(() => {
      this.#running.delete(ended)
    })
    this.#running.add(ended)
    return ended
  }

  /** Resolves when all have ended. */
  async done(): Promise<void> {
    await Promise.all(this.#running)
  }

  async #end(ending: Promise<void>, connection: { terminate(): void }, name: string, afterMs: number): Promise<void> {
    const within = (ms: number): Promise<void> =>
      withDeadline(() => ending, { clock: this.#clock, ms, what: `Ending the link with ${name}` })
    try {
      await within(afterMs + deadlineMs)
    } catch (error) {
      this.#logger.warn('a link did not end in order and is cut', { name, error })
      connection.terminate()
      await within(cutDeadlineMs).catch(() => {})
    }
  }
}
