import type { FrameCarrier } from '../../dist/l2cap/frame-carrier.js'

export interface Frame {
  readonly cid: number
  readonly payload: Buffer
}

/** One end of a link in memory. What is sent waits until it is passed on, by `deliver` or, on an eager link, by the event loop. */
export class MemoryCarrier implements FrameCarrier {
  readonly maxFrameBytes: number
  readonly queue: Frame[] = []
  /** Told of every frame as it is sent, and as it arrives. */
  onSent: (frame: Frame) => void = () => {}
  onArrived: (frame: Frame) => void = () => {}
  onDrained: (() => void) | undefined
  receive: (cid: number, payload: Buffer) => unknown = () => true
  failed: Error | undefined
  closed = false
  onFail: (error: Error) => void = () => {}
  other!: MemoryCarrier
  mostQueued = 0
  #scheduled = false
  readonly #eager: boolean

  constructor(maxFrameBytes: number, eager: boolean) {
    this.maxFrameBytes = maxFrameBytes
    this.#eager = eager
  }

  get queuedFrames(): number {
    return this.queue.length
  }

  send(cid: number, parts: readonly Uint8Array[]): void {
    if (this.closed) return
    const frame = { cid, payload: parts.length === 1 ? Buffer.from(parts[0] as Uint8Array) : Buffer.concat(parts) }
    if (frame.payload.length > this.maxFrameBytes) throw new Error(`a frame of ${frame.payload.length} bytes`)
    this.onSent(frame)
    this.queue.push(frame)
    this.mostQueued = Math.max(this.mostQueued, this.queue.length)
    if (!this.#eager || this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.deliver(this.queue.length)
    })
  }

  /** Passes on the oldest frames. @returns how many there were */
  deliver(count: number): number {
    const frames = this.queue.splice(0, count)
    for (const frame of frames) {
      this.onArrived(frame)
      this.other.receive(frame.cid, frame.payload)
    }
    if (frames.length > 0) this.onDrained?.()
    return frames.length
  }

  fail(error: Error): void {
    this.failed ??= error
    this.onFail(error)
  }
}

export function carrierPair(options: { readonly eager?: boolean; readonly maxFrameBytes?: number } = {}): [MemoryCarrier, MemoryCarrier] {
  const { eager = true, maxFrameBytes = 1000 } = options
  const left = new MemoryCarrier(maxFrameBytes, eager)
  const right = new MemoryCarrier(maxFrameBytes, eager)
  left.other = right
  right.other = left
  return [left, right]
}
