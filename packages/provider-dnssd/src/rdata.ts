/** The data of the record types multicast DNS services use, and what identifies a record. Pure. */
import { Buffer } from 'node:buffer'
import { addressBytes, addressText } from '@kithmesh/core/plugin'
import { escapeLabel, maxNameBytes, nameKey } from './names.ts'
import type { ResourceRecord } from './dns-message.ts'

/** Record type numbers (RFC 1035 §3.2, RFC 2782, RFC 3596, RFC 4034). `ANY` is for questions only. */
export const rrType = { A: 1, PTR: 12, TXT: 16, AAAA: 28, SRV: 33, NSEC: 47, ANY: 255 } as const

export type RecordData =
  | { readonly type: 1 | 28; readonly address: string }
  | { readonly type: 12; readonly target: string }
  | { readonly type: 33; readonly priority: number; readonly weight: number; readonly port: number; readonly target: string }
  | { readonly type: 16; readonly bytes: Buffer }
  /** Which types exist for a name, so that the others need not be asked for (RFC 6762 §6.1). */
  | { readonly type: 47; readonly next: string; readonly types: readonly number[] }

/** Where record data is written to. */
export interface DataSink {
  name(name: string): void
  uint16(value: number): void
  bytes(value: Uint8Array): void
}

/** What the names of one message may cost, in labels and pointers: far more than the longest honest message has (RFC 6762 §17). */
export class NameBudget {
  #left = 20_000

  /** @throws RangeError when all of it is spent */
  spend(): void {
    if (this.#left-- === 0) throw new RangeError('Names lead from one to the next without end')
  }
}

/** Reads a name; compression pointers may only point backwards, so reading always ends. @throws RangeError */
export function readName(bytes: Buffer, start: number, budget: NameBudget): { readonly name: string; readonly end: number } {
  const labels: string[] = []
  let offset = start
  let lowest = start
  let end = -1
  let size = 1
  for (;;) {
    budget.spend()
    const length = bytes.readUInt8(offset)
    if (length === 0) return { name: labels.join('.'), end: end === -1 ? offset + 1 : end }
    if ((length & 0xc0) === 0xc0) {
      const target = bytes.readUInt16BE(offset) & 0x3fff
      if (target >= lowest) throw new RangeError('A compressed name points forward')
      if (end === -1) end = offset + 2
      offset = lowest = target
      continue
    }
    if ((length & 0xc0) !== 0) throw new RangeError('A label has an unknown form')
    if (offset + 1 + length > bytes.length) throw new RangeError('A label is cut off')
    size += 1 + length
    if (size > maxNameBytes) throw new RangeError('A name is too long')
    labels.push(escapeLabel(bytes.subarray(offset + 1, offset + 1 + length)))
    offset += 1 + length
  }
}

/** Reads record data; undefined for types that are of no use here and for data that does not fit its type. @throws RangeError */
export function readData(bytes: Buffer, type: number, start: number, length: number, budget: NameBudget): RecordData | undefined {
  const end = start + length
  switch (type) {
    case rrType.A:
    case rrType.AAAA:
      return length === (type === rrType.A ? 4 : 16) ? { type, address: addressText(bytes.subarray(start, end)) } : undefined
    case rrType.PTR: {
      const read = readName(bytes, start, budget)
      return read.end === end ? { type, target: read.name } : undefined
    }
    case rrType.SRV: {
      if (length < 7) return undefined
      const read = readName(bytes, start + 6, budget)
      if (read.end !== end) return undefined
      return {
        type,
        priority: bytes.readUInt16BE(start),
        weight: bytes.readUInt16BE(start + 2),
        port: bytes.readUInt16BE(start + 4),
        target: read.name
      }
    }
    case rrType.TXT:
      return { type, bytes: Buffer.from(bytes.subarray(start, end)) }
    default:
      return undefined
  }
}

export function writeData(data: RecordData, sink: DataSink): void {
  switch (data.type) {
    case rrType.A:
    case rrType.AAAA: {
      const bytes = addressBytes(data.address)
      if (bytes?.length !== (data.type === rrType.A ? 4 : 16))
        throw new RangeError(`${data.address} is no address for a record of type ${data.type}`)
      sink.bytes(bytes)
      break
    }
    case rrType.PTR:
      sink.name(data.target)
      break
    case rrType.SRV:
      sink.uint16(data.priority)
      sink.uint16(data.weight)
      sink.uint16(data.port)
      sink.name(data.target)
      break
    case rrType.TXT:
      sink.bytes(data.bytes)
      break
    case rrType.NSEC: {
      sink.name(data.next)
      const map = Buffer.alloc(1 + Math.floor(Math.max(...data.types) / 8))
      for (const type of data.types) map[type >> 3] = (map[type >> 3] as number) | (0x80 >> (type & 7))
      sink.bytes(Buffer.from([0, map.length]))
      sink.bytes(map)
    }
  }
}

/** Equal for two records that say the same, whatever their TTL. */
export function recordKey(record: ResourceRecord): string {
  return `${nameKey(record.name)}|${record.data.type}|${dataKey(record.data)}`
}

export function dataKey(data: RecordData): string {
  switch (data.type) {
    case rrType.PTR:
      return nameKey(data.target)
    case rrType.SRV:
      return `${data.priority} ${data.weight} ${data.port} ${nameKey(data.target)}`
    case rrType.TXT:
      return data.bytes.toString('latin1')
    case rrType.NSEC:
      return data.types.join(' ')
    default:
      return data.address
  }
}
