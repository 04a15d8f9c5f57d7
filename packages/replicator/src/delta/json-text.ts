import { isUtf8 } from 'node:buffer'
import { replicatorErrors } from '../errors.ts'

/** Levels of arrays and objects in a text that a delta is made from, applied to, or consists of. */
export const MAX_DEPTH = 256
/** Values in such a text. Together with {@link MAX_DEPTH} it bounds memory and stack; what has more is sent in full. */
const MAX_VALUES = 2_000_000

/** A value of a {@link JsonText}: where it is in the text. */
export type JsonNode = number

export interface JsonMember {
  /** Where the key starts in the text. */
  readonly keyStart: number
  readonly value: JsonNode
}

/** Places of a value in the table: its start, then these. */
const END = 1
const NEXT = 2
const WIDTH = 3

const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * JSON as text and the places of its values in it. Deltas are made and applied on the text, so that what they do not touch stays as it
 * is, byte by byte: a number that JavaScript cannot hold, the difference between `1` and `1.0`, the order of keys.
 */
export class JsonText {
  readonly text: string
  /** Per value: start, end, and the index of what follows it and all inside it. Members of objects are a key and a value. */
  #places = new Int32Array(WIDTH * 64)
  #length = 0
  #at = 0

  /**
   * @param bytes one JSON value.
   * @throws ERR_REPL_DELTA_MALFORMED, ERR_REPL_DELTA_LIMIT
   */
  constructor(bytes: Uint8Array) {
    if (!isUtf8(bytes)) throw malformed('it is not UTF-8')
    this.text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()
    this.#skipBlanks()
    this.#value(0)
    if (this.#at !== this.text.length) throw this.#unexpected()
  }

  readonly root: JsonNode = 0

  /** `{`, `[` or `"`; the first character of anything else. */
  kind(node: JsonNode): string {
    return this.text.charAt(this.#places[node] as number)
  }

  isContainer(node: JsonNode): boolean {
    const code = this.text.charCodeAt(this.#places[node] as number)
    return code === 0x7b || code === 0x5b
  }

  start(node: JsonNode): number {
    return this.#places[node] as number
  }

  end(node: JsonNode): number {
    return this.#places[node + END] as number
  }

  /** The text of a value, as it came. */
  raw(node: JsonNode): string {
    return this.text.slice(this.#places[node], this.#places[node + END])
  }

  /** A string value, decoded. */
  string(node: JsonNode): string {
    return decode(this.raw(node))
  }

  /** The values of an array. */
  items(node: JsonNode): JsonNode[] {
    const items: JsonNode[] = []
    const end = this.#places[node + NEXT] as number
    for (let item = node + WIDTH; item < end; item = this.#places[item + NEXT] as number) items.push(item)
    return items
  }

  /**
   * The members of an object in their order.
   * @throws ERR_REPL_DELTA_MALFORMED when a key is there twice: readers differ in which one counts.
   */
  members(node: JsonNode): Map<string, JsonMember> {
    const members = new Map<string, JsonMember>()
    const end = this.#places[node + NEXT] as number
    for (let key = node + WIDTH; key < end; ) {
      const value = key + WIDTH
      const name = this.string(key)
      if (members.has(name)) throw malformed(`an object has the key ${JSON.stringify(name.slice(0, 80))} twice`)
      members.set(name, { keyStart: this.#places[key] as number, value })
      key = this.#places[value + NEXT] as number
    }
    return members
  }

  /** A member as it came: key, colon and value. */
  rawMember({ keyStart, value }: JsonMember): string {
    return this.text.slice(keyStart, this.#places[value + END])
  }

  /** A member's key as it came, with its quotes. */
  rawKey({ value }: JsonMember): string {
    return this.raw(value - WIDTH)
  }

  // ---- Scanning. Strict: what JSON.parse refuses is refused here.

  #value(depth: number): void {
    const place = this.#open()
    const code = this.text.charCodeAt(this.#at)
    if (code === QUOTE) this.#string()
    else if (code === 0x7b) this.#object(depth + 1)
    else if (code === 0x5b) this.#array(depth + 1)
    else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) this.#number()
    else this.#literal(code)
    this.#close(place)
    this.#skipBlanks()
  }

  #object(depth: number): void {
    this.#descend(depth)
    if (this.#take(0x7d)) return
    do {
      this.#skipBlanks()
      const key = this.#open()
      if (this.text.charCodeAt(this.#at) !== QUOTE) throw this.#unexpected()
      this.#string()
      this.#close(key)
      this.#skipBlanks()
      if (!this.#take(0x3a)) throw this.#unexpected()
      this.#skipBlanks()
      this.#value(depth)
    } while (this.#take(0x2c))
    if (!this.#take(0x7d)) throw this.#unexpected()
  }

  #array(depth: number): void {
    this.#descend(depth)
    if (this.#take(0x5d)) return
    do {
      this.#skipBlanks()
      this.#value(depth)
    } while (this.#take(0x2c))
    if (!this.#take(0x5d)) throw this.#unexpected()
  }

  #descend(depth: number): void {
    if (depth > MAX_DEPTH) throw beyond(`it has more than ${MAX_DEPTH} levels`)
    this.#at++
    this.#skipBlanks()
  }

  #string(): void {
    const { text } = this
    let at = this.#at + 1
    for (;;) {
      const code = text.charCodeAt(at)
      if (code === QUOTE) break
      if (code === BACKSLASH) {
        const escaped = text[at + 1]
        if (escaped === 'u' && /^[0-9a-fA-F]{4}$/.test(text.slice(at + 2, at + 6))) at += 6
        else if (escaped !== undefined && '"\\/bfnrt'.includes(escaped)) at += 2
        else throw this.#unexpected(at)
      } else if (code >= 0x20) at++
      else throw this.#unexpected(at) // Also the end of the text, whose code is no number.
    }
    this.#at = at + 1
  }

  #number(): void {
    this.#take(0x2d)
    if (!this.#take(0x30)) this.#digits()
    if (this.#take(0x2e)) this.#digits()
    if (this.#take(0x65) || this.#take(0x45)) {
      if (!this.#take(0x2b)) this.#take(0x2d)
      this.#digits()
    }
  }

  #digits(): void {
    const { text } = this
    const start = this.#at
    let code = text.charCodeAt(start)
    while (code >= 0x30 && code <= 0x39) code = text.charCodeAt(++this.#at)
    if (this.#at === start) throw this.#unexpected()
  }

  #literal(code: number): void {
    const word = code === 0x74 ? 'true' : code === 0x66 ? 'false' : 'null'
    if (!this.text.startsWith(word, this.#at)) throw this.#unexpected()
    this.#at += word.length
  }

  #take(code: number): boolean {
    if (this.text.charCodeAt(this.#at) !== code) return false
    this.#at++
    return true
  }

  #skipBlanks(): void {
    const { text } = this
    for (;;) {
      const code = text.charCodeAt(this.#at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.#at++
    }
  }

  #open(): number {
    const place = this.#length
    if (place === WIDTH * MAX_VALUES) throw beyond(`it has more than ${MAX_VALUES} values`)
    this.#length += WIDTH
    if (this.#length > this.#places.length) {
      const places = new Int32Array(2 * this.#places.length)
      places.set(this.#places)
      this.#places = places
    }
    this.#places[place] = this.#at
    return place
  }

  #close(place: number): void {
    this.#places[place + END] = this.#at
    this.#places[place + NEXT] = this.#length
  }

  #unexpected(at = this.#at): Error {
    return malformed(at >= this.text.length ? 'it ends too early' : `there is an error at character ${at}`)
  }
}

/** A JSON string, decoded. */
function decode(raw: string): string {
  return raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1)
}

const malformed = (why: string): Error =>
  replicatorErrors.create('ERR_REPL_DELTA_MALFORMED', `A document or a delta cannot be read: ${why}`)
const beyond = (why: string): Error => replicatorErrors.create('ERR_REPL_DELTA_LIMIT', `A document or a delta is too large: ${why}`)
