import type { MessageSocket, MessageSocketHandlers, SocketCloseInfo } from '@kithmesh/core'

/** How a pair of sockets in memory behaves. */
export interface MemorySocketPairOptions {
  /** `send` returns false above this many bytes under way. Default 64 KiB. */
  readonly highWater?: number
}

/** A pair of ends that are each other's other side. */
export function memorySocketPair(options: MemorySocketPairOptions = {}): [MemorySocket, MemorySocket] {
  const a = new MemorySocket(options)
  const b = new MemorySocket(options)
  a.join(b)
  b.join(a)
  return [a, b]
}

/**
 * One end of a message connection in memory, without a protocol beneath: messages are delivered on later turns of the event loop, a few at a time,
 * in order. What a test may want to see or do is open. Made by {@link memorySocketPair}.
 */
export class MemorySocket implements MessageSocket {
  readonly protocol = 'BLIP_3+CBMobile_3'
  readonly description = 'memory'
  bufferedBytes = 0
  /** Every message sent, while `recording`. */
  readonly sent: Buffer[] = []
  recording = false
  /** Of all messages sent. */
  sentBytes = 0
  /** The most that was under way at a time. */
  maxBufferedBytes = 0
  /** How often it was paused. */
  pauses = 0
  paused = false
  /** Changes a message on its way. */
  tamper: ((message: Buffer) => Buffer) | undefined
  private peer: MemorySocket | undefined
  private handlers: MessageSocketHandlers | undefined
  private readonly highWater: number
  private queue: Buffer[] = []
  private scheduled = false
  private wasFull = false
  private end: SocketCloseInfo | undefined
  private over = false

  /** @internal */
  constructor(options: MemorySocketPairOptions) {
    this.highWater = options.highWater ?? 65_536
  }

  /** @internal */
  join(peer: MemorySocket): void {
    this.peer = peer
  }

  attach(handlers: MessageSocketHandlers): void {
    if (this.handlers !== undefined) throw new Error('attached twice')
    this.handlers = handlers
    this.peer?.schedule()
  }

  send(message: Uint8Array): boolean {
    if (this.end !== undefined || this.over) return false
    let bytes: Buffer = Buffer.from(message)
    if (this.recording) this.sent.push(bytes)
    if (this.tamper !== undefined) bytes = this.tamper(bytes)
    this.queue.push(bytes)
    this.bufferedBytes += bytes.length
    this.sentBytes += bytes.length
    this.maxBufferedBytes = Math.max(this.maxBufferedBytes, this.bufferedBytes)
    this.schedule()
    this.wasFull ||= this.bufferedBytes > this.highWater
    return this.bufferedBytes <= this.highWater
  }

  pause(): void {
    this.paused = true
    this.pauses++
  }

  resume(): void {
    this.paused = false
    this.peer?.schedule()
  }

  close(code = 1000, reason = ''): void {
    if (this.end !== undefined) return
    this.end = { code, reason }
    this.schedule()
  }

  terminate(error?: Error): void {
    if (this.end !== undefined) return
    this.queue = []
    this.end = { code: 1006, reason: '', ...(error === undefined ? {} : { error }) }
    this.schedule()
  }

  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(() => {
      this.scheduled = false
      this.deliver()
    })
  }

  private deliver(): void {
    const { peer } = this
    if (peer?.handlers === undefined || this.over) return
    for (let i = 0; i < 4 && this.queue.length > 0 && !peer.paused && !peer.over; i++) {
      const message = this.queue.shift()!
      this.bufferedBytes -= message.length
      peer.handlers.message(message)
    }
    if (this.wasFull && this.bufferedBytes <= this.highWater / 2 && !this.over) {
      this.wasFull = false
      this.handlers?.drained()
    }
    if (this.queue.length > 0 && !peer.paused) this.schedule()
    if (this.queue.length === 0 && this.end !== undefined) {
      const info = this.end
      for (const socket of [this, peer]) {
        if (socket.over) continue
        socket.over = true
        socket.handlers?.closed(info)
      }
    }
  }
}
