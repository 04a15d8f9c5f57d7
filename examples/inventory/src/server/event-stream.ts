import type { ServerResponse } from 'node:http'
import { systemClock } from '@kithmesh/core'
import type { App } from '../peer/app.ts'
import { viewOf } from '../peer/errors.ts'
import { HttpRefusal } from './request-body.ts'

const GAP_MS = 150
const KEEP_ALIVE_MS = 15_000
const MAX_STREAMS = 16

/** Tells every open page the state when it changed, as server-sent events; gathered, and nothing to those who do not keep up. */
export class EventStream {
  readonly #app: App
  readonly #streams = new Set<ServerResponse>()
  readonly #behind = new WeakSet<ServerResponse>()
  readonly #stopWatching: () => void
  #cancelKeepAlive: () => void
  #waiting = false
  #closed = false

  constructor(app: App) {
    this.#app = app
    this.#stopWatching = app.onChange(() => {
      this.#changed()
    })
    this.#cancelKeepAlive = systemClock.after(KEEP_ALIVE_MS, this.#keepAlive)
  }

  /** Takes the response over. @throws HttpRefusal when there are too many. */
  add(response: ServerResponse): void {
    if (this.#streams.size >= MAX_STREAMS) throw new HttpRefusal(503, 'Too many pages are open; close one.')
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' })
    this.#streams.add(response)
    response.once('close', () => this.#streams.delete(response))
    response.write(`retry: 1000\n\n${this.#message()}`)
  }

  close(): void {
    this.#closed = true
    this.#stopWatching()
    this.#cancelKeepAlive()
    for (const stream of this.#streams) stream.end()
  }

  #changed(): void {
    if (this.#waiting || this.#closed) return
    this.#waiting = true
    systemClock.after(GAP_MS, () => {
      this.#waiting = false
      if (this.#closed || this.#streams.size === 0) return
      const message = this.#message()
      for (const stream of this.#streams) {
        if (!stream.writableNeedDrain) stream.write(message)
        else this.#catchUp(stream)
      }
    })
  }

  /** Who does not keep up gets the state as it is when there is room again, not all that it was meanwhile. */
  #catchUp(stream: ServerResponse): void {
    if (this.#behind.has(stream)) return
    this.#behind.add(stream)
    stream.once('drain', () => {
      this.#behind.delete(stream)
      if (!this.#closed) stream.write(this.#message())
    })
  }

  #message(): string {
    try {
      return `event: state\ndata: ${JSON.stringify(this.#app.state)}\n\n`
    } catch (error) {
      // A disk that fails, say: the page tells, and the program goes on.
      return `event: trouble\ndata: ${JSON.stringify(viewOf(error))}\n\n`
    }
  }

  readonly #keepAlive = (): void => {
    for (const stream of this.#streams) if (!stream.writableNeedDrain) stream.write(':\n\n')
    this.#cancelKeepAlive = systemClock.after(KEEP_ALIVE_MS, this.#keepAlive)
  }
}
