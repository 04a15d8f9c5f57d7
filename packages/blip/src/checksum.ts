import zlib from 'node:zlib'

/** CRC-32 (IEEE, as zlib has it) of `bytes[start, end)`, continuing from `previous`; 0 begins (blip.md §6). */
export type Crc32 = (bytes: Uint8Array, start: number, end: number, previous: number) => number

/** Below this a call into zlib costs more than the table (measured: equal near 380 bytes). */
const NATIVE_FROM_BYTES = 384

function makeTables(): readonly Int32Array[] {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256))
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    tables[0]![byte] = crc
  }
  for (let byte = 0; byte < 256; byte++) {
    let crc = tables[0]![byte]!
    for (let k = 1; k < 8; k++) {
      crc = tables[0]![crc & 255]! ^ (crc >>> 8)
      tables[k]![byte] = crc
    }
  }
  return tables
}

const [T0, T1, T2, T3, T4, T5, T6, T7] = makeTables() as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array
]

/** CRC-32 by table, eight bytes a step. */
export function tableCrc32(bytes: Uint8Array, start: number, end: number, previous: number): number {
  let crc = ~previous
  let i = start
  for (const last = end - 7; i < last; i += 8) {
    const word = crc ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24))
    crc =
      T7[word & 255]! ^
      T6[(word >>> 8) & 255]! ^
      T5[(word >>> 16) & 255]! ^
      T4[word >>> 24]! ^
      T3[bytes[i + 4]!]! ^
      T2[bytes[i + 5]!]! ^
      T1[bytes[i + 6]!]! ^
      T0[bytes[i + 7]!]!
  }
  while (i < end) crc = T0[(crc ^ bytes[i++]!) & 255]! ^ (crc >>> 8)
  return ~crc >>> 0
}

/** The fastest CRC-32 of this Node: zlib's for long input where it exists (Node 20.15, 22.2), the table otherwise. */
export function chooseCrc32(native: unknown = zlib.crc32): Crc32 {
  if (typeof native !== 'function') return tableCrc32
  const zlibCrc32 = native as (bytes: Uint8Array, previous: number) => number
  return (bytes, start, end, previous) =>
    end - start < NATIVE_FROM_BYTES ? tableCrc32(bytes, start, end, previous) : zlibCrc32(bytes.subarray(start, end), previous)
}
