import { blipErrors } from './errors.ts'

/** A position in bytes that reading moves forward. */
export interface Cursor {
  position: number
}

/** Bytes that {@link writeVarint} needs for `value`, a non-negative safe integer. */
export function varintLength(value: number): number {
  let length = 1
  while (value >= 128) {
    value = Math.floor(value / 128)
    length++
  }
  return length
}

/**
 * Writes an unsigned little-endian base-128 number (blip.md §2).
 * @returns the offset after it.
 */
export function writeVarint(bytes: Uint8Array, offset: number, value: number): number {
  while (value >= 128) {
    // Numbers above 2^31 do not survive bit operators.
    bytes[offset++] = (value % 128) | 128
    value = Math.floor(value / 128)
  }
  bytes[offset++] = value
  return offset
}

/**
 * Reads an unsigned little-endian base-128 number at the cursor and moves the cursor behind it.
 * @throws ERR_BLIP_FRAME when it does not end before `end`, has more than 10 bytes or exceeds 2^53 − 1.
 */
export function readVarint(bytes: Uint8Array, cursor: Cursor, end: number): number {
  const start = cursor.position
  let position = start
  let value = 0
  let scale = 1
  while (position < end) {
    const byte = bytes[position++]!
    value += (byte & 127) * scale
    if (byte < 128) {
      if (value > Number.MAX_SAFE_INTEGER) break
      cursor.position = position
      return value
    }
    if (position - start >= 10) break
    scale *= 128
  }
  throw blipErrors.create('ERR_BLIP_FRAME', position >= end && position - start < 10 ? 'A number is cut off' : 'A number is too large')
}
