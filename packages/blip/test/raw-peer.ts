import { eventually } from '@kithmesh/testkit'
import { type DecodedFrame, FrameDecoder } from '../dist/frame-decoder.js'
import { FrameEncoder } from '../dist/frame-encoder.js'
import { createBlipConnection } from '../dist/connection.js'
import type { BlipConnectionOptions } from '../dist/connection-options.js'
import type { BlipPeer } from '../dist/contracts.js'
import type { SocketCloseInfo } from '@kithmesh/core'
import { type MemorySocket, memorySocketPair } from '@kithmesh/testkit/memory'

/** A connection under test with a hand-driven other side that writes and reads frames. */
export class RawPeer {
  readonly socket: MemorySocket
  readonly encoder = new FrameEncoder()
  readonly decoder = new FrameDecoder()
  /** What the connection sent, decoded. */
  readonly frames: { number: number; type: number; flags: number; content: Buffer; ackBytes: number }[] = []
  readonly connection: BlipPeer
  readonly connectionSocket: MemorySocket
  /** How the connection under test ended. */
  closed: SocketCloseInfo | undefined
  /** How this side saw it. */
  seenClose: SocketCloseInfo | undefined

  constructor(options: BlipConnectionOptions = {}) {
    ;[this.connectionSocket, this.socket] = memorySocketPair()
    this.socket.attach({
      message: (data) => {
        const { number, type, flags, content, start, end, ackBytes }: DecodedFrame = this.decoder.decode(data)
        this.frames.push({ number, type, flags, content: content.subarray(start, end), ackBytes })
      },
      drained() {},
      closed: (info) => {
        this.seenClose = info
      }
    })
    this.connection = createBlipConnection(this.connectionSocket, options)
    this.connection.onClosed((info) => {
      this.closed = info
    })
  }

  /** Sends a correct frame. */
  send(number: number, flags: number, head: string | undefined, body: Uint8Array | string = ''): void {
    this.socket.send(this.encoder.encode(number, flags, head, Buffer.from(body)))
  }

  /** Sends bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.socket.send(bytes)
  }

  ack(number: number, type: 4 | 5, total: number): void {
    this.socket.send(this.encoder.encodeAck(number, type, total))
  }

  async frame(index: number): Promise<RawPeer['frames'][number]> {
    await eventually(`frame ${index}`, () => this.frames.length > index || this.closed !== undefined)
    const frame = this.frames[index]
    if (frame === undefined)
      throw new Error(`No frame ${index}; the connection ended with ${JSON.stringify(this.closed)} ${String(this.closed?.error)}`)
    return frame
  }

  /** Enough turns of the event loop for everything sent to be delivered and answered. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++)
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
  }

  async end(): Promise<SocketCloseInfo> {
    await eventually('the end of the connection', () => this.closed !== undefined)
    return this.closed!
  }
}

/** A properties block. */
export function block(...strings: string[]): string {
  return strings.map((text) => `${text}\0`).join('')
}
