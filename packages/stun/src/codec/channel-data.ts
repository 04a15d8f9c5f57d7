import { malformed } from './malformed.ts'

/** Application data on a channel (RFC 8656 §12.4). */
export interface ChannelData {
  /** 0x4000 to 0x4fff. */
  readonly channel: number
  /** A view into the frame it was decoded from. */
  readonly data: Uint8Array
}

export const FIRST_CHANNEL = 0x4000
export const LAST_CHANNEL = 0x4fff

/** Whether a frame is ChannelData rather than STUN: its first two bits are 01. */
export function isChannelData(frame: Uint8Array): boolean {
  return frame.length > 0 && frame[0]! >> 6 === 1
}

/**
 * One frame. Over streams it is padded to a multiple of four, which its length does not count (RFC 8656 §12.5).
 * @throws TypeError for a number that is no channel, or more than 65,535 bytes.
 */
export function encodeChannelData({ channel, data }: ChannelData, padded: boolean): Buffer {
  if (!Number.isInteger(channel) || channel < FIRST_CHANNEL || channel > LAST_CHANNEL)
    throw new TypeError(`${channel} is no channel number`)
  if (data.length > 0xffff) throw new TypeError(`A channel carries at most 65,535 bytes at once, not ${data.length}`)
  const frame = Buffer.allocUnsafe(4 + data.length + (padded ? -data.length & 3 : 0))
  frame.writeUInt16BE(channel)
  frame.writeUInt16BE(data.length, 2)
  frame.set(data, 4)
  frame.fill(0, 4 + data.length)
  return frame
}

/**
 * Reads a frame: a datagram, or what a {@link StreamDeframer} cut out. Padding is dropped.
 * @throws ERR_STUN_MALFORMED.
 */
export function decodeChannelData(bytes: Uint8Array): ChannelData {
  const frame = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (frame.length < 4) throw malformed('channel data are cut off')
  const channel = frame.readUInt16BE()
  if (channel < FIRST_CHANNEL || channel > LAST_CHANNEL) throw malformed(`0x${channel.toString(16)} is no channel`)
  const length = frame.readUInt16BE(2)
  if (length > frame.length - 4 || frame.length - 4 - length > 3)
    throw malformed(`channel data of ${length} bytes in a frame of ${frame.length}`)
  return { channel, data: frame.subarray(4, 4 + length) }
}
