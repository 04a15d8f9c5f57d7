import type { Duplex } from 'node:stream'

export interface OpenStreamsOptions {
  /** The first of all streams is there. */
  readonly opened: () => void
  /** The last of all streams has closed. */
  readonly closed: () => void
  /** The last stream with a device has closed. */
  readonly released: (id: string) => void
}

/** The streams that are open, and with whom: such a device is there, whether it advertises or not. */
export class OpenStreams {
  readonly #options: OpenStreamsOptions
  readonly #streams = new Map<Duplex, string | undefined>()
  readonly #counts = new Map<string, number>()

  constructor(options: OpenStreamsOptions) {
    this.#options = options
  }

  has(id: string): boolean {
    return this.#counts.has(id)
  }

  /** Counts a stream until it closes. @param id undefined when it is not known with whom it is */
  add(stream: Duplex, id: string | undefined): void {
    if (stream.closed) return
    if (this.#streams.size === 0) this.#options.opened()
    this.#streams.set(stream, id)
    if (id !== undefined) this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1)
    stream.once('close', () => {
      this.#streams.delete(stream)
      if (id !== undefined) this.#close(id)
      if (this.#streams.size === 0) this.#options.closed()
    })
  }

  destroyAll(error: Error): void {
    for (const stream of [...this.#streams.keys()]) stream.destroy(error)
  }

  #close(id: string): void {
    const left = (this.#counts.get(id) ?? 1) - 1
    if (left > 0) this.#counts.set(id, left)
    else {
      this.#counts.delete(id)
      this.#options.released(id)
    }
  }
}
