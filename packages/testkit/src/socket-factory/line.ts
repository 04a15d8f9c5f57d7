import type { ByteSocket, MessageSocket, SocketCloseInfo } from '@kithmesh/core'

/** Either kind of socket, as the checks see it: what came, whether there is room, how it ended. */
export interface Line {
  /** Everything received: messages, or pieces of a stream. */
  readonly received: readonly Buffer[]
  /** Number of bytes received. */
  readonly receivedBytes: number
  /** How often the socket reported its end. */
  readonly closedCount: number
  /** A message socket's report of its end. */
  readonly closeInfo: SocketCloseInfo | undefined
  /** A byte stream's other side has ended orderly. */
  readonly ended: boolean
  /** How often there was room again. */
  readonly drainedCount: number
  /** Bytes received before the end was reported; −1 before the end. */
  readonly bytesAtClose: number
  /** Begins to read. */
  start(): void
  send(bytes: Uint8Array): boolean
  pause(): void
  resume(): void
  /** Orderly end from this side. */
  close(code?: number, reason?: string): void
  /** Cut without a word. */
  cut(error?: Error): void
}

abstract class BaseLine {
  readonly received: Buffer[] = []
  receivedBytes = 0
  closedCount = 0
  closeInfo: SocketCloseInfo | undefined
  ended = false
  drainedCount = 0
  bytesAtClose = -1

  protected take(bytes: Buffer): void {
    this.received.push(bytes)
    this.receivedBytes += bytes.length
  }

  protected finish(info?: SocketCloseInfo): void {
    this.closedCount++
    this.closeInfo = info
    this.bytesAtClose = this.receivedBytes
  }
}

/** A byte stream; reading begins with `start`. */
export class ByteLine extends BaseLine implements Line {
  readonly #socket: ByteSocket
  /** What the stream failed with, in order; one at most, where all is well. */
  readonly errors: unknown[] = []

  constructor(socket: ByteSocket) {
    super()
    this.#socket = socket
    socket.on('error', (error: unknown) => {
      this.errors.push(error)
    })
    socket.on('close', () => {
      this.finish()
    })
    socket.on('drain', () => {
      this.drainedCount++
    })
    // It may be over before anybody could listen.
    if (socket.closed) this.finish()
  }

  get socket(): ByteSocket {
    return this.#socket
  }

  start(): void {
    this.#socket.on('end', () => {
      this.ended = true
      this.#socket.end()
    })
    this.#socket.on('data', (chunk: Buffer) => {
      this.take(chunk)
    })
  }

  send(bytes: Uint8Array): boolean {
    return this.#socket.write(bytes)
  }
  pause(): void {
    this.#socket.pause()
  }
  resume(): void {
    this.#socket.resume()
  }
  close(): void {
    this.#socket.end()
  }
  cut(error?: Error): void {
    this.#socket.destroy(error)
  }
}

/** A message socket; it is attached with `start`. */
export class MessageLine extends BaseLine implements Line {
  readonly socket: MessageSocket

  constructor(socket: MessageSocket) {
    super()
    this.socket = socket
  }

  start(): void {
    this.socket.attach({
      message: (data) => {
        this.take(data)
      },
      drained: () => {
        this.drainedCount++
      },
      closed: (info) => {
        this.finish(info)
      }
    })
  }

  send(bytes: Uint8Array): boolean {
    return this.socket.send(bytes)
  }
  pause(): void {
    this.socket.pause()
  }
  resume(): void {
    this.socket.resume()
  }
  close(code?: number, reason?: string): void {
    this.socket.close(code, reason)
  }
  cut(error?: Error): void {
    this.socket.terminate(error)
  }
}
