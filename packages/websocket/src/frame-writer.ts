import type { Duplex } from 'node:stream'
import * as ws from 'ws'
import { Slab } from '@kithmesh/core/plugin'

/** Opcode, length and key at their longest (RFC 6455 §5.2). */
const MAX_HEADER_BYTES = 14
const BINARY = 2
/** Longer messages that need no mask go to the stream as they are: copying costs more than a second piece. */
const COPY_BYTES = 4 * 1024

interface FrameOptions {
  readonly fin: boolean
  readonly opcode: number
  readonly rsv1: boolean
  readonly mask: boolean
  /** False: masked where it stands. */
  readonly readOnly: boolean
}

/** `ws` exports it, the types leave it out: header and payload of one frame, masked with a new random key when asked to. */
const { Sender } = ws as unknown as { readonly Sender: { frame(payload: Buffer, options: FrameOptions): Buffer[] } }

/**
 * Writes whole binary messages to the stream beneath an open WebSocket of `ws`, a frame each (RFC 6455 §5.2), in memory that is used again once
 * the stream has passed it on. `ws` allocates anew for every message that it masks, and V8 collects its whole heap every so many megabytes
 * of buffers. Control frames stay with `ws`: they come between two of these, never within one.
 */
export class FrameWriter {
  readonly #stream: Duplex
  readonly #slab: Slab
  readonly #options: FrameOptions

  /**
   * @param masked The client's side (RFC 6455 §5.3).
   * @param releases Whether the stream has copied or encrypted what it reports as written.
   */
  constructor(stream: Duplex, masked: boolean, releases: boolean) {
    this.#stream = stream
    this.#options = { fin: true, opcode: BINARY, rsv1: false, mask: masked, readOnly: false }
    this.#slab = new Slab(releases ? () => stream.writableLength : undefined)
  }

  /** @param written called when the stream has passed the frame on, or failed. */
  write(message: Uint8Array, written?: () => void): void {
    const { length } = message
    const headerBytes = length > 0xffff ? MAX_HEADER_BYTES : length > 125 ? 8 : 6
    const slab = this.#slab
    if (!this.#options.mask && length > COPY_BYTES) {
      const [header] = Sender.frame(asBuffer(message), this.#options) as [Buffer]
      this.#stream.write(header)
      this.#stream.write(message, written)
      return
    }
    slab.reserve(headerBytes + length)
    const { bytes, offset } = slab
    bytes.set(message, offset + headerBytes)
    const end = offset + headerBytes + length
    const [header] = Sender.frame(bytes.subarray(offset + headerBytes, end), this.#options) as [Buffer]
    bytes.set(header, offset + headerBytes - header.length)
    this.#stream.write(slab.take(end).subarray(headerBytes - header.length), written)
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
