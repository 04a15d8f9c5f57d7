/** Bytes of a report before its data: type, address type, address, length of the data; the RSSI follows the data. */
const REPORT_HEAD = 9
const MOST_DATA = 31

/** Least lengths of the data of AD structures that noble reads without looking (Core Specification Supplement, part A). */
const LEAST_DATA = new Map<number, number>([
  [0x0a, 1],
  [0x16, 2],
  [0x20, 4],
  [0x21, 16]
])

/** Whether a library can read an LE Advertising Report without stumbling: whole reports, whose data are whole AD structures. */
export function isSoundReport(packet: Buffer): boolean {
  const count = packet[4]
  if (count === undefined || count === 0) return false
  let offset = 5
  for (let index = 0; index < count; index++) {
    const length = packet[offset + REPORT_HEAD - 1]
    if (length === undefined || length > MOST_DATA) return false
    const data = packet.subarray(offset + REPORT_HEAD, offset + REPORT_HEAD + length)
    offset += REPORT_HEAD + length + 1
    if (offset > packet.length || !areSoundStructures(data)) return false
  }
  return offset === packet.length
}

/** AD structures: length, type, data; an early end is marked by a length of 0 (vol. 3, part C, §11). */
function areSoundStructures(data: Buffer): boolean {
  let offset = 0
  while (offset < data.length) {
    const length = data[offset]!
    if (length === 0) return true
    if (offset + 1 + length > data.length) return false
    const least = LEAST_DATA.get(data[offset + 1]!)
    if (least !== undefined && length - 1 < least) return false
    offset += 1 + length
  }
  return true
}
