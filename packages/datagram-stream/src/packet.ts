/**
 * The packets, all numbers big-endian:
 *
 * ```
 *  8  connection id of the direction
 *  1  flags
 *  6  packet number, never used twice in a direction
 *     flag ACK:   6 largest packet number received, 2 its age in units of 64 µs, 6 end of the receive window,
 *                 1 number of ranges, then for each range from the highest: 2 packets missing above it less 1 (not for the first), 2 its length less 1
 *     flag DATA:  6 position in the stream, then bytes up to the end of the datagram; flag FIN: the stream ends after them
 *     flag RESET: the reason in UTF-8, up to the end of the datagram
 * ```
 */
export const OPEN = 1
export const ACK = 2
export const DATA = 4
export const FIN = 8
export const RESET = 16
/** To be acknowledged although there is no data. */
export const PING = 32
/** The sender has everything of the other side, and knows that the other side has everything of its own. */
export const DONE = 64

export const CONNECTION_ID_BYTES = 8
export const HEADER_BYTES = CONNECTION_ID_BYTES + 7
export const DATA_HEADER_BYTES = 6
/** More ranges than this are not reported; what is missing from the list is sent again, no more. */
export const MAX_ACK_RANGES = 32
export const MAX_REASON_BYTES = 200
const ACK_BYTES = 15
const RANGE_BYTES = 4
const MAX_RANGE = 65_536
/** Milliseconds of one unit of the age of an acknowledgement. */
const AGE_UNIT_MS = 0.064
const MAX_NUMBER = 2 ** 48 - 1

/** What acknowledges. `ranges` holds pairs of first and last number, the highest pair first. */
export interface Acknowledgement {
  readonly ageMs: number
  readonly window: number
  readonly ranges: readonly number[]
}

export interface Packet {
  readonly flags: number
  readonly number: number
  readonly ack: Acknowledgement | undefined
  /** Position of `data` in the stream. */
  readonly offset: number
  /** A view on the datagram: data, or the reason of a reset. */
  readonly data: Buffer
}

/** Reads a datagram that begins with the right connection id; undefined when anything about it is wrong. */
export function decodePacket(datagram: Buffer): Packet | undefined {
  if (datagram.length < HEADER_BYTES) return undefined
  const flags = datagram[CONNECTION_ID_BYTES]!
  if ((flags & ~(OPEN | ACK | DATA | FIN | RESET | PING | DONE)) !== 0 || (flags & (FIN | DATA)) === FIN) return undefined
  if ((flags & RESET) !== 0 && (flags & DATA) !== 0) return undefined
  const number = datagram.readUIntBE(CONNECTION_ID_BYTES + 1, 6)
  let at = HEADER_BYTES
  let ack: Acknowledgement | undefined
  if ((flags & ACK) !== 0) {
    if (datagram.length < at + ACK_BYTES) return undefined
    const count = datagram[at + 14]!
    if (count === 0 || count > MAX_ACK_RANGES || datagram.length < at + ACK_BYTES + count * RANGE_BYTES - 2) return undefined
    const ranges: number[] = []
    let last = datagram.readUIntBE(at, 6)
    let cursor = at + ACK_BYTES
    for (let index = 0; index < count; index++) {
      if (index > 0) {
        last = ranges[2 * index - 2]! - datagram.readUInt16BE(cursor) - 2
        cursor += 2
      }
      const first = last - datagram.readUInt16BE(cursor)
      cursor += 2
      if (first < 0) return undefined
      ranges.push(first, last)
    }
    ack = { ageMs: datagram.readUInt16BE(at + 6) * AGE_UNIT_MS, window: datagram.readUIntBE(at + 8, 6), ranges }
    at = cursor
  }
  if ((flags & DATA) !== 0) {
    if (datagram.length < at + DATA_HEADER_BYTES) return undefined
    const offset = datagram.readUIntBE(at, 6)
    const data = datagram.subarray(at + DATA_HEADER_BYTES)
    if (offset + data.length > MAX_NUMBER || (data.length === 0 && (flags & FIN) === 0)) return undefined
    return { flags, number, ack, offset, data }
  }
  const rest = datagram.subarray(at)
  if (rest.length > ((flags & RESET) !== 0 ? MAX_REASON_BYTES : 0)) return undefined
  return { flags, number, ack, offset: 0, data: rest }
}

/** Writes connection id, flags and number; returns the position after them. */
export function writeHeader(target: Buffer, connectionId: Buffer, flags: number, number: number): number {
  connectionId.copy(target, 0)
  target[CONNECTION_ID_BYTES] = flags
  target.writeUIntBE(number, CONNECTION_ID_BYTES + 1, 6)
  return HEADER_BYTES
}

/** The bytes that an acknowledgement of so many ranges takes. */
export function ackBytes(ranges: number): number {
  return ACK_BYTES + ranges * RANGE_BYTES - 2
}

/** Writes an acknowledgement at `at`; ranges too far apart or too long for the format end the list. Returns the position after it. */
export function writeAck(target: Buffer, at: number, { ageMs, window, ranges }: Acknowledgement): number {
  target.writeUIntBE(ranges[1]!, at, 6)
  target.writeUInt16BE(Math.min(65_535, Math.round(ageMs / AGE_UNIT_MS)), at + 6)
  target.writeUIntBE(window, at + 8, 6)
  let cursor = at + ACK_BYTES
  let count = 0
  for (; 2 * count < ranges.length; count++) {
    const first = ranges[2 * count]!
    const last = ranges[2 * count + 1]!
    if (count > 0) {
      const missing = ranges[2 * count - 2]! - last - 1
      if (missing > MAX_RANGE) break
      cursor = target.writeUInt16BE(missing - 1, cursor)
    }
    cursor = target.writeUInt16BE(Math.min(last - first, MAX_RANGE - 1), cursor)
    if (last - first >= MAX_RANGE) {
      count++
      break
    }
  }
  target[at + 14] = count
  return cursor
}
