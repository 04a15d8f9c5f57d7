import type { MessageSocket, MessageSocketHandlers } from '@kithmesh/core'
import type { MessageLink } from './message-link.ts'

/** `send` returns false above this, `drained` is called at half of it. */
const HIGH_WATER_BYTES = 256 * 1024

/** A message stream: one BLIP frame per message, nothing around it (blip.md §1). There is no close frame either, so codes stay here. */
export class LinkSocket implements MessageSocket {
  /** Nothing is negotiated. */
  readonly protocol = ''
  readonly description: string
  readonly #link: MessageLink
  #needsDrain = false
  #attached = false
  #closing = false

  constructor(link: MessageLink) {
    this.#link = link
    this.description = link.description
  }

  get bufferedBytes(): number {
    return this.#link.bufferedBytes
  }

  attach(handlers: MessageSocketHandlers): void {
    if (this.#attached) throw new TypeError('attach may be called once')
    this.#attached = true
    this.#link.attach({
      received: (data) => {
        handlers.message(data)
      },
      sent: () => {
        if (!this.#needsDrain || this.#link.bufferedBytes > HIGH_WATER_BYTES / 2) return
        this.#needsDrain = false
        handlers.drained()
      },
      ended: ({ code, reason, error }) => {
        handlers.closed({ code, reason, ...(error !== undefined && { error }) })
      }
    })
  }

  send(message: Uint8Array): boolean {
    if (this.#closing || this.#link.ending !== undefined) return false
    this.#link.send(message)
    if (this.#link.bufferedBytes <= HIGH_WATER_BYTES) return true
    this.#needsDrain = true
    return false
  }

  pause(): void {
    this.#link.pause()
  }

  resume(): void {
    this.#link.resume()
  }

  close(code = 1000, reason = ''): void {
    if (this.#closing) return
    this.#closing = true
    this.#link.finish(code, reason)
    this.#link.resume()
  }

  terminate(error?: Error): void {
    this.#closing = true
    this.#link.abort(error)
    this.#link.resume()
  }
}
