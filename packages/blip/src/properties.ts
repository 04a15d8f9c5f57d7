import { isUtf8 } from 'node:buffer'
import { blipErrors } from './errors.ts'
import type { OutgoingProperties } from './contracts.ts'
import { MAX_PROPERTIES_BYTES } from './frame.ts'

/** A record without inherited members, so that a peer's `__proto__` or `toString` is a key like any other. */
function Bare(): void {}
Bare.prototype = Object.create(null) as object
const PropertyRecord = Bare as unknown as new () => Record<string, string>

/** An empty record of properties. */
export function emptyProperties(): Record<string, string> {
  return new PropertyRecord()
}

/**
 * The properties block of blip.md §4 as a string, `Profile` first: key NUL value NUL … Empty without any.
 * @throws TypeError when a key or value contains NUL or is no string, or `Profile` is given twice; ERR_BLIP_PROPERTIES when it is over 100 KiB.
 */
export function propertiesBlock(profile: string | undefined, properties: OutgoingProperties | undefined): string {
  let block = ''
  if (profile !== undefined) {
    checkString(profile)
    block = 'Profile\0' + profile
  }
  if (properties !== undefined) {
    for (const key in properties) {
      const value = properties[key]
      if (value === undefined) continue
      checkString(value)
      if (profile !== undefined && key === 'Profile') throw new TypeError('The profile is given twice')
      const between = betweenValues(key)
      block = block === '' ? between.slice(1) + value : block + between + value
    }
  }
  if (block === '') return block
  block += '\0'
  // A UTF-16 unit is at most 3 bytes of UTF-8.
  if (block.length * 3 > MAX_PROPERTIES_BYTES && Buffer.byteLength(block) > MAX_PROPERTIES_BYTES) {
    throw blipErrors.create('ERR_BLIP_PROPERTIES', `Properties exceed ${MAX_PROPERTIES_BYTES} bytes`, {
      hint: 'Send large values in the body of the message.'
    })
  }
  return block
}

const MAX_KEYS_KEPT = 256
const keysBetween = new Map<string, string>()

/** A key with what ends the value before it and the key itself. Kept: joining strings makes an object for every piece, and keys are always the same. */
function betweenValues(key: string): string {
  let between = keysBetween.get(key)
  if (between === undefined) {
    checkString(key)
    between = '\0' + key + '\0'
    if (keysBetween.size < MAX_KEYS_KEPT) keysBetween.set(key, between)
  }
  return between
}

function checkString(text: unknown): void {
  if (typeof text !== 'string') throw new TypeError('A property must be a string')
  if (text.includes('\0')) throw new TypeError(`A property must not contain NUL: ${JSON.stringify(text)}`)
}

/**
 * Parses a whole properties block, `bytes[start, end)`.
 * @throws ERR_BLIP_PROPERTIES when it is no strict UTF-8, does not end in NUL, has an odd number of strings or a key twice.
 */
export function parseProperties(bytes: Buffer, start: number, end: number): Record<string, string> {
  const properties = new PropertyRecord()
  if (start === end) return properties
  if (bytes[end - 1] !== 0) throw malformed('do not end in NUL')
  let ascii = true
  for (let i = start; i < end; i++) {
    if (bytes[i]! >= 128) {
      ascii = false
      break
    }
  }
  if (!ascii && !isUtf8(bytes.subarray(start, end))) throw malformed('are not UTF-8')
  const block = ascii ? bytes.toString('latin1', start, end) : bytes.toString('utf8', start, end)
  let position = 0
  while (position < block.length) {
    const keyEnd = block.indexOf('\0', position)
    const valueEnd = block.indexOf('\0', keyEnd + 1)
    if (valueEnd < 0) throw malformed('have a key without a value')
    const key = block.slice(position, keyEnd)
    if (properties[key] !== undefined) throw malformed('have a key twice')
    properties[key] = block.slice(keyEnd + 1, valueEnd)
    position = valueEnd + 1
  }
  return properties
}

function malformed(how: string): Error {
  return blipErrors.create('ERR_BLIP_PROPERTIES', `Properties ${how}`)
}

/** Collects the length and the block of properties that straddle frames; the pieces may be as small as a byte. */
export class PropertiesParser {
  private length = -1
  private lengthScale = 1
  private lengthSoFar = 0
  private block = Buffer.alloc(0)
  private filled = 0

  /** Bytes held so far. */
  get bufferedBytes(): number {
    return this.filled
  }

  /**
   * Takes bytes from `bytes[start, end)`.
   * @returns the offset behind the properties and the properties once they are complete, else undefined; then everything was taken.
   * @throws ERR_BLIP_PROPERTIES as {@link parseProperties}, or when the announced length is over 100 KiB.
   */
  push(bytes: Buffer, start: number, end: number): { readonly properties: Record<string, string>; readonly next: number } | undefined {
    let position = start
    while (this.length < 0) {
      if (position === end) return undefined
      const byte = bytes[position++]!
      this.lengthSoFar += (byte & 127) * this.lengthScale
      this.lengthScale *= 128
      if (this.lengthSoFar > MAX_PROPERTIES_BYTES) throw malformed(`exceed ${MAX_PROPERTIES_BYTES} bytes`)
      if (byte < 128) this.length = this.lengthSoFar
      else if (this.lengthScale >= 2 ** 70) throw malformed('have a malformed length')
    }
    if (this.filled === 0 && end - position >= this.length) {
      return { properties: parseProperties(bytes, position, position + this.length), next: position + this.length }
    }
    const taken = Math.min(end - position, this.length - this.filled)
    this.reserve(this.filled + taken)
    this.block.set(bytes.subarray(position, position + taken), this.filled)
    this.filled += taken
    if (this.filled < this.length) return undefined
    return { properties: parseProperties(this.block, 0, this.length), next: position + taken }
  }
  /** Doubles with what really arrived: an announced length alone reserves nothing. */
  private reserve(bytes: number): void {
    if (bytes <= this.block.length) return
    const larger = Buffer.allocUnsafeSlow(Math.min(this.length, Math.max(bytes, this.block.length * 2)))
    larger.set(this.block.subarray(0, this.filled))
    this.block = larger
  }
}
