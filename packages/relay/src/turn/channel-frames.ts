import type { ChannelData } from '@kithmesh/stun'

/** Numbers of channels: RFC 8656 §12 ends at 0x4fff, but clients of RFC 5766 §11, of which there are many, take any up to 0x7fff. */
export const FIRST_CHANNEL = 0x4000
export const LAST_CHANNEL = 0x7fff

/** One frame (RFC 8656 §12.4); over streams padded to a multiple of four. */
export function encodeChannelFrame({ channel, data }: ChannelData, padded: boolean): Buffer {
  const frame = Buffer.allocUnsafe(4 + data.length + (padded ? -data.length & 3 : 0))
  frame.writeUInt16BE(channel)
  frame.writeUInt16BE(data.length, 2)
  frame.set(data, 4)
  return frame.fill(0, 4 + data.length)
}

/** Undefined for what is none: shorter than it says, or longer by more than padding. */
export function decodeChannelFrame(frame: Buffer): ChannelData | undefined {
  if (frame.length < 4) return undefined
  const [channel, length] = [frame.readUInt16BE(), frame.readUInt16BE(2)]
  const more = frame.length - 4 - length
  if (channel < FIRST_CHANNEL || channel > LAST_CHANNEL || more < 0 || more > 3) return undefined
  return { channel, data: frame.subarray(4, 4 + length) }
}
