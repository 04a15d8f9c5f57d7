/**
 * The DNS message format, as far as multicast DNS needs it (RFC 1035 §4, RFC 6762 §18). Pure.
 * Written here because the codec under multicast-dns splits names at dots (a label with a dot cannot be told from two labels)
 * and writes without name compression, which doubles the packets of a large link.
 */
import { Buffer } from 'node:buffer'
import { maxLabelBytes, splitName } from './names.ts'
import { NameBudget, readData, readName, writeData } from './rdata.ts'
import type { RecordData } from './rdata.ts'

/** What is asked: a name and a record type (255: any). */
export interface Question {
  readonly name: string
  readonly type: number
  /** The asker would like a unicast answer (RFC 6762 §5.4). */
  readonly unicast?: boolean
}

export interface ResourceRecord {
  readonly name: string
  /** Seconds; 0 says goodbye. */
  readonly ttl: number
  /** The record is the whole truth about its name and type: older ones are to be forgotten (RFC 6762 §10.2). */
  readonly flush: boolean
  readonly data: RecordData
}

export type Section = 'answers' | 'authorities' | 'additionals'

export interface Message {
  readonly id: number
  readonly response: boolean
  /** More known answers follow in another packet (RFC 6762 §7.2). */
  readonly truncated: boolean
  readonly questions: readonly Question[]
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  readonly additionals: readonly ResourceRecord[]
}

const classInternet = 1
const topBit = 0x8000

/** Reads a packet. Undefined when it is not a DNS message or any part of it is malformed; records of unknown types are kept as bytes. */
export function decodeMessage(bytes: Buffer): Message | undefined {
  try {
    return decode(bytes)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function decode(bytes: Buffer): Message | undefined {
  if (bytes.length < 12) return undefined
  const flags = bytes.readUInt16BE(2)
  // Messages with another opcode or a response code are ignored (RFC 6762 §18.3, §18.11).
  if ((flags & 0x780f) !== 0) return undefined
  const budget = new NameBudget()
  let offset = 12
  const questions: Question[] = []
  for (let count = bytes.readUInt16BE(4); count > 0; count--) {
    const { name, end } = readName(bytes, offset, budget)
    const type = bytes.readUInt16BE(end)
    const rrclass = bytes.readUInt16BE(end + 2)
    offset = end + 4
    if ((rrclass & ~topBit) === classInternet || (rrclass & ~topBit) === 255)
      questions.push({ name, type, unicast: (rrclass & topBit) !== 0 })
  }
  const section = (count: number): ResourceRecord[] => {
    const records: ResourceRecord[] = []
    for (; count > 0; count--) {
      const { name, end } = readName(bytes, offset, budget)
      const type = bytes.readUInt16BE(end)
      const rrclass = bytes.readUInt16BE(end + 2)
      const ttl = bytes.readUInt32BE(end + 4)
      const length = bytes.readUInt16BE(end + 8)
      const start = end + 10
      offset = start + length
      if (offset > bytes.length) throw new RangeError('A record is cut off')
      if ((rrclass & ~topBit) !== classInternet) continue
      const data = readData(bytes, type, start, length, budget)
      if (data !== undefined) records.push({ name, ttl, flush: (rrclass & topBit) !== 0, data })
    }
    return records
  }
  return {
    id: bytes.readUInt16BE(0),
    response: (flags & 0x8000) !== 0,
    truncated: (flags & 0x0200) !== 0,
    questions,
    answers: section(bytes.readUInt16BE(6)),
    authorities: section(bytes.readUInt16BE(8)),
    additionals: section(bytes.readUInt16BE(10))
  }
}

/**
 * Builds one message with compressed names. Sections must be filled in their order: questions, answers, authorities, additionals.
 * `add…` return false and leave the message as it was when the size limit would be passed.
 */
export class MessageWriter {
  readonly #bytes: Buffer
  readonly #limit: number
  readonly #suffixes = new Map<string, number>()
  readonly #counts = { questions: 0, answers: 0, authorities: 0, additionals: 0 }
  #offset = 12

  constructor(limit: number) {
    this.#limit = limit
    this.#bytes = Buffer.alloc(limit)
  }

  get empty(): boolean {
    return this.#offset === 12
  }

  addQuestion(question: Question): boolean {
    return this.#attempt('questions', () => {
      this.#name(question.name)
      this.#uint16(question.type)
      this.#uint16(classInternet | (question.unicast === true ? topBit : 0))
    })
  }

  add(section: Section, record: ResourceRecord): boolean {
    return this.#attempt(section, () => {
      this.#name(record.name)
      this.#uint16(record.data.type)
      this.#uint16(classInternet | (record.flush ? topBit : 0))
      this.#uint16(Math.floor(record.ttl / 65536))
      this.#uint16(record.ttl % 65536)
      const lengthAt = this.#offset
      this.#uint16(0)
      writeData(record.data, {
        name: (name) => {
          this.#name(name)
        },
        uint16: (value) => {
          this.#uint16(value)
        },
        bytes: (value) => {
          this.#raw(value)
        }
      })
      this.#bytes.writeUInt16BE(this.#offset - lengthAt - 2, lengthAt)
    })
  }

  finish(header: { readonly id?: number; readonly response: boolean; readonly truncated?: boolean }): Buffer {
    this.#bytes.writeUInt16BE(header.id ?? 0, 0)
    this.#bytes.writeUInt16BE((header.response ? 0x8400 : 0) | (header.truncated === true ? 0x0200 : 0), 2)
    this.#bytes.writeUInt16BE(this.#counts.questions, 4)
    this.#bytes.writeUInt16BE(this.#counts.answers, 6)
    this.#bytes.writeUInt16BE(this.#counts.authorities, 8)
    this.#bytes.writeUInt16BE(this.#counts.additionals, 10)
    return this.#bytes.subarray(0, this.#offset)
  }

  #attempt(section: 'questions' | Section, write: () => void): boolean {
    const before = this.#offset
    try {
      write()
      this.#counts[section]++
      return true
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      this.#offset = before
      for (const [suffix, at] of this.#suffixes) if (at >= before) this.#suffixes.delete(suffix)
      return false
    }
  }

  #room(size: number): number {
    const at = this.#offset
    if (at + size > this.#limit) throw new RangeError('The message is full')
    this.#offset = at + size
    return at
  }

  #uint16(value: number): void {
    this.#bytes.writeUInt16BE(value, this.#room(2))
  }

  #raw(value: Uint8Array): void {
    this.#bytes.set(value, this.#room(value.length))
  }

  #name(name: string): void {
    const labels = splitName(name)
    let key = labels.map((label) => label.toString('latin1').length + ':' + label.toString('latin1'))
    for (const label of labels) {
      if (label.length > maxLabelBytes) throw new RangeError('A label is too long')
      const suffix = key.join('')
      const known = this.#suffixes.get(suffix)
      if (known !== undefined) {
        this.#uint16(0xc000 | known)
        return
      }
      if (this.#offset < 0x4000) this.#suffixes.set(suffix, this.#offset)
      const at = this.#room(1 + label.length)
      this.#bytes[at] = label.length
      this.#bytes.set(label, at + 1)
      key = key.slice(1)
    }
    this.#bytes[this.#room(1)] = 0
  }
}
