import { checkPositive } from '@kithmesh/core/plugin'
import { blipErrors } from './errors.ts'
import { chooseCrc32, type Crc32 } from './checksum.ts'
import { chooseZlib, type SyncZlib, type SyncZlibFactory } from './deflate.ts'
import { ACK_REQUEST, ACK_RESPONSE, CHECKSUM_BYTES, COMPRESSED, ERROR, TYPE_MASK } from './frame.ts'
import { readVarint } from './varint.ts'

export interface FrameDecoderOptions {
  /** Largest frame accepted, in bytes as received; default 1 MiB (blip.md §8). */
  readonly maxFrameBytes?: number
  /** Largest content one compressed frame may inflate to; default 32 MiB, above what 16 KiB of deflate can hold. */
  readonly maxInflatedFrameBytes?: number
  /** Where inflate comes from; by default Node's own zlib, pako where that cannot be used. */
  readonly zlib?: SyncZlibFactory
  readonly crc32?: Crc32
}

/**
 * The frame that was decoded last. `content[start, end)` is what it carries, inflated; it stays valid when the next frame is decoded,
 * the object itself does not.
 */
export interface DecodedFrame {
  readonly number: number
  readonly flags: number
  /** The type bits of `flags`; `ignored` frames have a type that does not exist. */
  readonly type: number
  readonly content: Buffer
  readonly start: number
  readonly end: number
  /** Bytes that count for flow control: the content as received plus checksum (blip.md §9). */
  readonly wireBytes: number
  /** On acknowledgements: the total the other side has received. */
  readonly ackBytes: number
  /** Content beyond the allowance was checked and thrown away. */
  readonly cut: boolean
  readonly ignored: boolean
}

const noContent = Buffer.alloc(0)
const SCRATCH_BYTES = 65_536

/**
 * Decodes the frames of one direction of one connection, in the order of their arrival (blip.md §3, §6, §7).
 * After it has thrown, the connection is beyond repair.
 */
export class FrameDecoder implements DecodedFrame {
  number = 0
  flags = 0
  type = 0
  content: Buffer = noContent
  start = 0
  end = 0
  wireBytes = 0
  ackBytes = 0
  cut = false
  ignored = false
  /** Cursor of the header's numbers. */
  position = 0

  private readonly maxFrameBytes: number
  private readonly maxInflatedFrameBytes: number
  private readonly zlib: SyncZlibFactory | undefined
  private readonly crc32: Crc32
  private inflater: SyncZlib | undefined
  private scratch: Buffer | undefined
  private checksum = 0

  /** @throws TypeError for sizes that make no sense. */
  constructor(options: FrameDecoderOptions = {}) {
    checkPositive(options, 'maxFrameBytes', 'maxInflatedFrameBytes')
    this.maxFrameBytes = options.maxFrameBytes ?? 1_048_576
    this.maxInflatedFrameBytes = options.maxInflatedFrameBytes ?? 33_554_432
    this.zlib = options.zlib
    this.crc32 = options.crc32 ?? chooseCrc32()
  }

  /**
   * Decodes one frame.
   * @param data the whole frame. It is kept by `content`; its bytes are the same before and after, but change in between.
   * @param allowance asked for compressed frames, with number and type known: how many bytes of content to keep. More is inflated,
   *   because checksum and history need it, but not kept.
   * @returns this decoder.
   * @throws ERR_BLIP_FRAME, ERR_BLIP_CHECKSUM, ERR_BLIP_COMPRESSION, ERR_BLIP_LIMIT.
   */
  decode(data: Buffer, allowance?: (frame: DecodedFrame) => number): DecodedFrame {
    const length = data.length
    if (length > this.maxFrameBytes)
      throw blipErrors.create('ERR_BLIP_LIMIT', `A frame of ${length} bytes exceeds the limit of ${this.maxFrameBytes}`)
    this.position = 0
    this.number = readVarint(data, this, length)
    this.flags = readVarint(data, this, length)
    // Bit operators would cut a large number, which no sender uses.
    if (this.flags > 127) throw blipErrors.create('ERR_BLIP_FRAME', `Unknown frame flags ${this.flags}`)
    this.type = this.flags & TYPE_MASK
    this.cut = false
    this.ignored = false
    this.content = noContent
    this.start = 0
    this.end = 0
    this.wireBytes = length - this.position
    if (this.type <= ERROR) {
      const end = length - CHECKSUM_BYTES
      if (end < this.position) throw blipErrors.create('ERR_BLIP_FRAME', 'A frame is too short for its checksum')
      const expected = ((data[end]! << 24) | (data[end + 1]! << 16) | (data[end + 2]! << 8) | data[end + 3]!) >>> 0
      // GO's reader skips a compressed frame without content (blip.md §7); so do we.
      if ((this.flags & COMPRESSED) !== 0 && end > this.position) this.inflate(data, end, allowance)
      else {
        this.content = data
        this.start = this.position
        this.end = end
        this.checksum = this.crc32(data, this.start, end, this.checksum)
      }
      if (this.checksum !== expected)
        throw blipErrors.create('ERR_BLIP_CHECKSUM', `The checksum of a frame of message ${this.number} is wrong`)
    } else if (this.type === ACK_REQUEST || this.type === ACK_RESPONSE) {
      this.ackBytes = readVarint(data, this, length)
    } else {
      this.ignored = true
    }
    return this
  }

  /** Frees the inflate stream. */
  close(): void {
    this.inflater?.close()
  }

  /** Inflates `data[position, end)` and runs the checksum over all of it. */
  private inflate(data: Buffer, end: number, allowance: ((frame: DecodedFrame) => number) | undefined): void {
    const inflater = (this.inflater ??= (this.zlib ?? chooseZlib()).inflate())
    const scratch = (this.scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES))
    const keep = Math.max(0, allowance?.(this) ?? Infinity)
    let kept: Buffer | undefined
    let keptBytes = 0
    let total = 0
    // The flush marker that the sender left out goes where the checksum stood, which has been read (and is put back).
    const saved = data.readUInt32BE(end)
    data.writeUInt32BE(0x0000ffff, end)
    try {
      let inputStart = this.position
      let inputLength = end + CHECKSUM_BYTES - inputStart
      for (;;) {
        try {
          inflater.write(data, inputStart, inputLength, scratch, 0, SCRATCH_BYTES)
        } catch (cause) {
          throw blipErrors.create('ERR_BLIP_COMPRESSION', `A frame of message ${this.number} cannot be inflated`, { cause })
        }
        const produced = SCRATCH_BYTES - inflater.availOut
        this.checksum = this.crc32(scratch, 0, produced, this.checksum)
        total += produced
        if (total > this.maxInflatedFrameBytes)
          throw blipErrors.create('ERR_BLIP_LIMIT', `A frame inflates to more than ${this.maxInflatedFrameBytes} bytes`)
        const wanted = Math.min(produced, keep - keptBytes)
        if (wanted < produced) this.cut = true
        if (wanted > 0) {
          kept = append(kept, keptBytes, scratch, wanted)
          keptBytes += wanted
        }
        inputStart += inputLength - inflater.availIn
        inputLength = inflater.availIn
        if (inflater.availOut > 0) break
      }
      if (inputLength > 0) throw blipErrors.create('ERR_BLIP_COMPRESSION', 'The compressed stream has ended')
    } finally {
      data.writeUInt32BE(saved, end)
    }
    this.content = kept ?? noContent
    this.end = keptBytes
  }
}

function append(kept: Buffer | undefined, keptBytes: number, more: Buffer, moreBytes: number): Buffer {
  // Usually all of it: a copy of exactly this size.
  if (kept === undefined) {
    const copy = Buffer.allocUnsafe(moreBytes)
    copy.set(more.subarray(0, moreBytes))
    return copy
  }
  let target = kept
  if (target.length < keptBytes + moreBytes) {
    target = Buffer.allocUnsafeSlow(Math.max(keptBytes + moreBytes, target.length * 2))
    target.set(kept.subarray(0, keptBytes))
  }
  target.set(more.subarray(0, moreBytes), keptBytes)
  return target
}
