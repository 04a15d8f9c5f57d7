/** Who may keep a name when two hosts want it (RFC 6762 §8.2). Pure. */
import { Buffer } from 'node:buffer'
import { writeData } from './rdata.ts'
import type { RecordData } from './rdata.ts'
import { splitName } from './names.ts'
import type { ResourceRecord } from './dns-message.ts'

/** Record data as it is compared: uncompressed bytes. */
function dataBytes(data: RecordData): Buffer {
  const parts: Uint8Array[] = []
  writeData(data, {
    name(name) {
      for (const label of splitName(name)) parts.push(Buffer.from([label.length]), label)
      parts.push(Buffer.from([0]))
    },
    uint16(value) {
      parts.push(Buffer.from([value >> 8, value & 255]))
    },
    bytes(value) {
      parts.push(value)
    }
  })
  return Buffer.concat(parts)
}

/**
 * Compares two probes for one name: below 0 when ours is the lesser and has to wait, 0 when both say the same,
 * above 0 when ours wins. Each side's records are sorted by type and data, then compared one by one; running out first is lesser.
 */
export function compareProbes(ours: readonly ResourceRecord[], theirs: readonly ResourceRecord[]): number {
  const sorted = (records: readonly ResourceRecord[]): Buffer[] =>
    records
      .map(({ data }) => Buffer.concat([Buffer.from([data.type >> 8, data.type & 255]), dataBytes(data)]))
      .sort((a, b) => Buffer.compare(a, b))
  const left = sorted(ours)
  const right = sorted(theirs)
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const a = left[index]
    const b = right[index]
    if (a === undefined) return -1
    if (b === undefined) return 1
    const order = Buffer.compare(a, b)
    if (order !== 0) return order
  }
  return 0
}
