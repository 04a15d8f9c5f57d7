import type { FrameCarrier } from './frame-carrier.ts'
import type { L2capChannel } from './channel.ts'

/** The channels of a link that have something to send: one frame each in turn, while the carrier's queue is below its mark. */
export class SendQueue {
  readonly #carrier: FrameCarrier
  readonly #mark: number
  readonly #waiting: L2capChannel[] = []
  #running = false

  constructor(carrier: FrameCarrier, mark: number) {
    this.#carrier = carrier
    this.#mark = mark
  }

  add(channel: L2capChannel): void {
    if (!channel.queued) {
      channel.queued = true
      this.#waiting.push(channel)
    }
    this.run()
  }

  run(): void {
    // What is sent may call back at once: the loop below sees what that brings.
    if (this.#running) return
    this.#running = true
    try {
      while (this.#waiting.length > 0 && this.#carrier.queuedFrames < this.#mark) {
        const channel = this.#waiting.shift() as L2capChannel
        channel.queued = false
        if (!channel.sendable) continue
        channel.sendFrame(this.#carrier)
        if (channel.sendable && !channel.queued) {
          channel.queued = true
          this.#waiting.push(channel)
        }
      }
    } finally {
      this.#running = false
    }
  }

  clear(): void {
    this.#waiting.length = 0
  }
}
