import { Slab } from '@kithmesh/core/plugin'
import { chooseCrc32, type Crc32 } from './checksum.ts'
import { chooseZlib, type SyncZlib, type SyncZlibFactory } from './deflate.ts'
import type { BodyReader } from './contracts.ts'
import { type ACK_REQUEST, type ACK_RESPONSE, CHECKSUM_BYTES, COMPRESSED, NO_REPLY, URGENT } from './frame.ts'
import { varintLength, writeVarint } from './varint.ts'

/** Number and flags at their longest. */
const MAX_HEADER_BYTES = 12
/** The end of a sync flush, `00 00 FF FF`, which senders leave out (blip.md §7). */
const FLUSH_TRAILER_BYTES = 4

export interface FrameEncoderOptions {
  /** zlib level of compressed frames, 1 to 9. */
  readonly level?: number
  /** Where deflate comes from; by default Node's own zlib, pako where that cannot be used. */
  readonly zlib?: SyncZlibFactory
  readonly crc32?: Crc32
  /** How many bytes of the frames encoded last are still looked at; others are written over then. Without it, no frame's bytes are reused. */
  readonly inUse?: (() => number) | undefined
}

const noBytes = new Uint8Array(0)

/** The reader of a body failed; `cause` says how. */
export class UnreadableBody extends Error {}

/**
 * Turns pieces of messages into frames of one direction of one connection (blip.md §3, §6, §7).
 * It holds the running checksum and the deflate history: frames must reach the wire exactly in the order they are encoded.
 */
export class FrameEncoder {
  private readonly slab: Slab
  private readonly level: number
  private readonly zlib: SyncZlibFactory | undefined
  private readonly crc32: Crc32
  private deflater: SyncZlib | undefined
  private scratch: Buffer | undefined
  private checksum = 0

  constructor(options: FrameEncoderOptions = {}) {
    this.slab = new Slab(options.inUse)
    this.level = options.level ?? 6
    this.zlib = options.zlib
    this.crc32 = options.crc32 ?? chooseCrc32()
  }

  /**
   * Encodes one frame of a message.
   * @param number the message number.
   * @param flags type and flag bits; with `COMPRESSED` the content must not be empty.
   * @param head the properties block on a message's first frame (it may be empty), undefined on later ones.
   * @param body the frame carries `body[start, end)` behind the head.
   * @returns the whole frame; its bytes are reused only as `inUse` allows.
   * @throws UnreadableBody; nothing is encoded then.
   */
  encode(
    number: number,
    flags: number,
    head: string | undefined,
    body: Uint8Array | BodyReader = noBytes,
    start = 0,
    end = body.length
  ): Buffer {
    const bodyLength = end - start
    const contentBound = (head === undefined ? 0 : 3 + head.length * 3) + bodyLength
    if ((flags & COMPRESSED) !== 0) return this.encodeCompressed(number, flags, head, body, start, end, contentBound)

    const slab = this.slab
    slab.reserve(MAX_HEADER_BYTES + contentBound + CHECKSUM_BYTES)
    const bytes = slab.bytes
    const content = writeHeader(bytes, slab.offset, number, flags)
    let position = head === undefined ? content : writeHead(bytes, content, head)
    if (bodyLength > 0) {
      copy(body, start, end, bytes, position)
      position += bodyLength
    }
    this.checksum = this.crc32(bytes, content, position, this.checksum)
    return slab.take(this.writeChecksum(bytes, position))
  }

  /** Encodes an acknowledgement: `total` wire bytes of the message have been received (blip.md §9). */
  encodeAck(number: number, type: typeof ACK_REQUEST | typeof ACK_RESPONSE, total: number): Buffer {
    const slab = this.slab
    slab.reserve(MAX_HEADER_BYTES + 10)
    const position = writeHeader(slab.bytes, slab.offset, number, type | URGENT | NO_REPLY)
    return slab.take(writeVarint(slab.bytes, position, total))
  }

  /** Frees the deflate stream. Nothing compressed may be encoded afterwards. */
  close(): void {
    this.deflater?.close()
  }

  private encodeCompressed(
    number: number,
    flags: number,
    head: string | undefined,
    body: Uint8Array | BodyReader,
    start: number,
    end: number,
    contentBound: number
  ): Buffer {
    // One sync flush per frame needs head and body in one piece.
    if (head !== undefined || !(body instanceof Uint8Array)) {
      if (this.scratch === undefined || this.scratch.length < contentBound)
        this.scratch = Buffer.allocUnsafeSlow(Math.max(20_480, contentBound))
      const scratch = this.scratch
      const headEnd = head === undefined ? 0 : writeHead(scratch, 0, head)
      copy(body, start, end, scratch, headEnd)
      end = headEnd + end - start
      start = 0
      body = scratch
    }
    const length = end - start
    if (length === 0) throw new TypeError('An empty frame cannot be compressed')
    this.checksum = this.crc32(body, start, end, this.checksum)

    const slab = this.slab
    const room = length + (length >> 10) + 64
    slab.reserve(MAX_HEADER_BYTES + room + CHECKSUM_BYTES)
    const content = writeHeader(slab.bytes, slab.offset, number, flags)
    this.deflater ??= (this.zlib ?? chooseZlib()).deflate(this.level)
    this.deflater.write(body, start, length, slab.bytes, content, room)
    if (this.deflater.availIn !== 0 || this.deflater.availOut === 0) throw new Error('Deflate needed more room than its bound')
    return slab.take(this.writeChecksum(slab.bytes, content + room - this.deflater.availOut - FLUSH_TRAILER_BYTES))
  }

  private writeChecksum(bytes: Uint8Array, position: number): number {
    const checksum = this.checksum
    bytes[position] = checksum >>> 24
    bytes[position + 1] = checksum >>> 16
    bytes[position + 2] = checksum >>> 8
    bytes[position + 3] = checksum
    return position + CHECKSUM_BYTES
  }
}

function copy(body: Uint8Array | BodyReader, start: number, end: number, target: Buffer, offset: number): void {
  if (body instanceof Uint8Array) {
    target.set(start === 0 && end === body.length ? body : body.subarray(start, end), offset)
    return
  }
  try {
    body.read(target, offset, end - start, start)
  } catch (cause) {
    throw new UnreadableBody('The body of a message cannot be read', { cause })
  }
}

function writeHeader(bytes: Uint8Array, position: number, number: number, flags: number): number {
  position = writeVarint(bytes, position, number)
  bytes[position] = flags
  return position + 1
}

/** Writes length and block of the properties; returns the offset behind. */
function writeHead(bytes: Buffer, position: number, head: string): number {
  if (head.length === 0) {
    bytes[position] = 0
    return position + 1
  }
  // For ASCII, the usual case, the guess is right and nothing is moved.
  const guess = varintLength(head.length)
  const length = bytes.write(head, position + guess, 'utf8')
  const lengthBytes = varintLength(length)
  if (lengthBytes !== guess) bytes.copyWithin(position + lengthBytes, position + guess, position + guess + length)
  writeVarint(bytes, position, length)
  return position + lengthBytes + length
}
