import type { ChannelAttachment, JsonValue } from '@kithmesh/channel'
import type { Logger } from '@kithmesh/core/plugin'

/** Receives the control messages of a trusted neighbour. It may be anything: check it. */
export type ControlListener = (peerId: string, body: JsonValue | Buffer) => void

/** Who hears which control messages, whichever connection they come over. */
export class ControlMessages {
  readonly #listeners = new Map<string, ControlListener>()
  readonly #logger: Logger

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** One listener for each name; before anything is connected. */
  on(name: string, listener: ControlListener): void {
    this.#listeners.set(name, listener)
  }

  /** Hears what comes over a connection. */
  listen(peerId: string, attachment: ChannelAttachment): void {
    for (const [name, listener] of this.#listeners)
      attachment.onControl(name, (body) => {
        try {
          listener(peerId, body)
        } catch (error) {
          this.#logger.error('a control message could not be handled', { peerId, name, error })
        }
      })
  }
}
