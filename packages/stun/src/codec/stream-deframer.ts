import { LAST_CHANNEL } from './channel-data.ts'
import { malformed } from './malformed.ts'
import { HEADER_BYTES, MAX_MESSAGE_BYTES } from './message.ts'

/**
 * Cuts a byte stream into STUN messages and padded ChannelData frames (RFC 8489 §6.2.2, RFC 8656 §12.5). Keeps at most one frame and the
 * chunk it was given; every byte is copied twice at most, however small the chunks are.
 *
 * @example
 * ```ts
 * socket.on('data', (chunk) => {
 *   deframer.push(chunk)
 *   for (let frame = deframer.next(); frame !== undefined; frame = deframer.next()) receive(frame)
 * })
 * ```
 */
export class StreamDeframer {
  readonly #maxFrame: number
  readonly #acceptsChannel: (channel: number) => boolean
  readonly #lastChannel: number
  #chunks: Buffer[] = []
  #buffered = 0
  /** Bytes that must be there before looking again makes sense. */
  #needed = 4

  /**
   * @param maxFrameBytes longer frames are malformed; default 65,552, which is the longest there can be.
   * @param acceptsChannel whether ChannelData may come on this channel; default on any. Where no channel is in use, `HTTP` would look like
   * the beginning of a long frame.
   * @param lastChannel the highest number; default 0x4fff. For servers: clients of RFC 5766 §11 have numbers up to 0x7fff.
   */
  constructor(
    maxFrameBytes: number = MAX_MESSAGE_BYTES,
    acceptsChannel: (channel: number) => boolean = () => true,
    lastChannel: number = LAST_CHANNEL
  ) {
    this.#maxFrame = maxFrameBytes
    this.#acceptsChannel = acceptsChannel
    this.#lastChannel = lastChannel
  }

  /** Takes what was read; it is not copied now and must not be changed. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))
    this.#buffered += chunk.length
  }

  /**
   * The next whole frame, or undefined until there is one.
   * @throws ERR_STUN_MALFORMED: the stream is of no use from then on.
   */
  next(): Buffer | undefined {
    if (this.#buffered < this.#needed) return undefined
    let buffer = this.#joined()
    const size = this.#frameBytes(buffer)
    if (size > this.#maxFrame) throw malformed(`a frame of ${size} bytes, which is more than ${this.#maxFrame}`)
    if (buffer.length < size) {
      this.#needed = size
      return undefined
    }
    const frame = buffer.subarray(0, size)
    buffer = buffer.subarray(size)
    this.#chunks = buffer.length === 0 ? [] : [buffer]
    this.#buffered = buffer.length
    this.#needed = 4
    return frame
  }

  /** Takes out everything that is not a frame yet. */
  rest(): Buffer {
    const rest = this.#joined()
    this.#chunks = []
    this.#buffered = 0
    this.#needed = 4
    return rest
  }

  #joined(): Buffer {
    if (this.#chunks.length === 1) return this.#chunks[0]!
    const joined = Buffer.concat(this.#chunks)
    this.#chunks = [joined]
    return joined
  }

  #frameBytes(start: Buffer): number {
    const length = start.readUInt16BE(2)
    if (start[0]! >> 6 === 1) {
      const channel = start.readUInt16BE()
      if (channel > this.#lastChannel || !this.#acceptsChannel(channel)) throw malformed(`0x${channel.toString(16)} is no channel in use`)
      return 4 + length + (-length & 3)
    }
    if (start[0]! >> 6 !== 0) throw malformed('the stream carries something that is neither STUN nor channel data')
    if (length % 4 !== 0) throw malformed(`the length ${length} is no multiple of 4`)
    return HEADER_BYTES + length
  }
}
