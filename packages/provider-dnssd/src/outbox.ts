import type { Buffer } from 'node:buffer'
import type { Clock } from '@kithmesh/core'

/** Packets per burst, and the pause between bursts: receive buffers of 200 kB take what arrives in between. */
const burst = 8
const pauseMs = 2
/** Packets that may wait. A thousand services fill about two hundred. */
const limit = 4096

/** Sends packets in small bursts between turns of the event loop, in order. */
export class Outbox {
  readonly #clock: Clock
  readonly #send: (packet: Buffer) => void
  #waiting: Buffer[] = []
  #cancel: (() => void) | undefined
  #idle: Array<() => void> = []
  #dropped = 0

  constructor(clock: Clock, send: (packet: Buffer) => void) {
    this.#clock = clock
    this.#send = send
  }

  /** Packets that were thrown away because too many were waiting. */
  get dropped(): number {
    return this.#dropped
  }

  push(packet: Buffer): void {
    if (this.#waiting.length >= limit) {
      this.#dropped++
      return
    }
    this.#waiting.push(packet)
    if (this.#cancel === undefined) this.#run()
  }

  /** Resolves when everything that waits now has been sent. */
  idle(): Promise<void> {
    if (this.#cancel === undefined) return Promise.resolve()
    return new Promise((resolve) => {
      this.#idle.push(resolve)
    })
  }

  close(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#waiting = []
    this.#settle()
  }

  #run(): void {
    this.#cancel = undefined
    if (this.#waiting.length === 0) {
      this.#settle()
      return
    }
    this.#cancel = this.#clock.after(pauseMs, () => {
      this.#run()
    })
    for (const packet of this.#waiting.splice(0, burst)) this.#send(packet)
  }

  #settle(): void {
    const idle = this.#idle
    this.#idle = []
    for (const resolve of idle) resolve()
  }
}
