import type { Duplex } from 'node:stream'
import type { Logger } from '@kithmesh/core/plugin'

export interface AcceptedStreamsOptions {
  readonly maxStreams: number
  readonly logger: Logger
}

/** The streams that others opened, as long as they last; so many and no more. */
export class AcceptedStreams {
  readonly #options: AcceptedStreamsOptions
  readonly #streams = new Set<Duplex>()

  constructor(options: AcceptedStreamsOptions) {
    this.#options = options
  }

  /** Hands a stream over, or ends it when nobody wants it or there are too many. */
  accept(stream: Duplex, id: string | undefined, onStream: ((stream: Duplex, id: string | undefined) => void) | undefined): void {
    const { maxStreams, logger } = this.#options
    if (onStream === undefined || this.#streams.size >= maxStreams) {
      logger.debug('A stream is not accepted', { id, streams: this.#streams.size, maxStreams })
      end(stream)
      return
    }
    this.#streams.add(stream)
    stream.once('close', () => {
      this.#streams.delete(stream)
    })
    try {
      onStream(stream, id)
    } catch (error) {
      logger.error('A stream was accepted, and whoever got it failed', { id, error })
      end(stream)
    }
  }

  /** Ends all of them. */
  end(): void {
    for (const stream of this.#streams) end(stream)
  }
}

/** Without an error, as there may be no listener for one. */
function end(stream: Duplex): void {
  stream.on('error', () => {})
  stream.destroy()
}
