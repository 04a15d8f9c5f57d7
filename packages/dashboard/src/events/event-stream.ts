import type { ServerResponse } from 'node:http'
import type { Clock } from '@kithmesh/core'

/** Bytes that a reader may be behind. */
const maxBehind = 256 * 1024
/** How long a reader may be behind before it is cut off. */
const patienceMs = 30_000

/**
 * One reader of server-sent events. Of the state a slow reader gets the newest only, once it has read what it was sent; notices that it has no
 * room for are left out. Who reads nothing at all is cut off.
 */
export class EventStream {
  readonly #response: ServerResponse
  readonly #clock: Clock
  readonly #ended: () => void
  /** The state that waits until there is room. */
  #waiting: (() => string) | undefined
  #cancelPatience: (() => void) | undefined
  #over = false

  /** @param ended told once, however it ended; the head of the response has been sent. */
  constructor(response: ServerResponse, clock: Clock, ended: () => void) {
    this.#response = response
    this.#clock = clock
    this.#ended = ended
    response.on('drain', () => {
      this.#drained()
    })
    response.once('close', () => {
      this.end()
    })
  }

  /** @param text makes the event as {@link eventText} does, when there is room for it. */
  state(text: () => string): void {
    if (this.#response.writableNeedDrain) this.#waiting = text
    else this.#write(text())
  }

  /** Something that happened, as {@link eventText} made it. Left out when the reader is too far behind. */
  notice(text: string): void {
    if (this.#response.writableLength < maxBehind) this.#write(text)
  }

  /** Keeps proxies and the browser from thinking that nothing comes any more. */
  alive(): void {
    if (!this.#response.writableNeedDrain) this.#write(': alive\n\n')
  }

  /** Idempotent. */
  end(): void {
    if (this.#over) return
    this.#over = true
    this.#cancelPatience?.()
    this.#waiting = undefined
    this.#response.destroy()
    this.#ended()
  }

  #write(text: string): void {
    if (this.#over || this.#response.write(text)) return
    this.#cancelPatience ??= this.#clock.after(patienceMs, () => {
      this.end()
    })
  }

  #drained(): void {
    this.#cancelPatience?.()
    this.#cancelPatience = undefined
    const waiting = this.#waiting
    this.#waiting = undefined
    if (waiting !== undefined) this.#write(waiting())
  }
}

/** An event as it goes over the wire (HTML Living Standard §9.2.6). JSON text has no line breaks. */
export function eventText(type: string, json: string): string {
  return `event: ${type}\ndata: ${json}\n\n`
}
