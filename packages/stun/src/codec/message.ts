import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { StunAttributes } from './attributes.ts'
import { encodedValues, FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256 } from './attribute-codecs.ts'
import { integrityOf, type IntegrityKey } from './integrity.ts'
import { encodeMessageType, type StunClass, type StunMethod } from './methods.ts'

/** The cookie that tells STUN from other protocols (RFC 8489 §5). */
export const MAGIC_COOKIE = 0x2112a442
export const HEADER_BYTES = 20

/** The longest message there can be: the length field has 16 bits and counts in fours. */
export const MAX_MESSAGE_BYTES = HEADER_BYTES + 0xfffc

/** What is said, apart from how it is signed. */
export interface StunMessage {
  readonly method: StunMethod
  readonly messageClass: StunClass
  /** 12 bytes; 16 make a message without magic cookie, as RFC 3489 has them. */
  readonly transactionId: Uint8Array
  readonly attributes: StunAttributes
}

export interface EncodeOptions {
  /** Signs the message. */
  readonly integrity?: IntegrityKey | undefined
  /** Appends FINGERPRINT; default false. */
  readonly fingerprint?: boolean
}

/** 96 bits that nobody can guess (RFC 8489 §5). */
export function newTransactionId(): Buffer {
  return randomBytes(12)
}

/**
 * The bytes of a message (RFC 8489 §5): header, attributes in the order of the object's keys, padded to multiples of four, then integrity
 * and fingerprint.
 * @throws TypeError for values that cannot be sent: an address that is none, a text too long, more than 64 KiB in all.
 */
export function encodeMessage(message: StunMessage, { integrity, fingerprint = false }: EncodeOptions = {}): Buffer {
  const { transactionId } = message
  if (transactionId.length !== 12 && transactionId.length !== 16) throw new TypeError('A transaction id has 12 bytes, or 16 without cookie')
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt16BE(encodeMessageType(message.method, message.messageClass))
  if (transactionId.length === 12) header.writeUInt32BE(MAGIC_COOKIE, 4)
  header.set(transactionId, HEADER_BYTES - transactionId.length)

  const parts: Buffer[] = [header]
  let length = HEADER_BYTES
  const append = (type: number, value: Buffer): void => {
    const start = Buffer.alloc(4)
    start.writeUInt16BE(type)
    start.writeUInt16BE(value.length, 2)
    const padding = Buffer.alloc(-value.length & 3)
    parts.push(start, value, padding)
    length += 4 + value.length + padding.length
    if (length > MAX_MESSAGE_BYTES) throw new TypeError('A STUN message cannot have more than 64 KiB')
    header.writeUInt16BE(length - HEADER_BYTES, 2)
  }
  for (const { type, value } of encodedValues(message.attributes, header.subarray(4))) append(type, value)
  if (integrity !== undefined) {
    const [type, size] = integrity.algorithm === 'sha1' ? [MESSAGE_INTEGRITY, 20] : [MESSAGE_INTEGRITY_SHA256, 32]
    append(type, integrityOf(Buffer.concat(parts), size, integrity))
  }
  if (fingerprint) {
    const before = Buffer.concat(parts)
    append(FINGERPRINT, fingerprintOf(before))
  }
  return Buffer.concat(parts)
}

/** The value of FINGERPRINT after `before` (RFC 8489 §14.7): a CRC over the message with a length that counts the attribute. */
export function fingerprintOf(before: Buffer): Buffer {
  const header = Buffer.from(before.subarray(0, 4))
  header.writeUInt16BE(before.length - HEADER_BYTES + 8, 2)
  const value = Buffer.alloc(4)
  value.writeUInt32BE((crc32(before.subarray(4), crc32(header)) ^ 0x5354554e) >>> 0)
  return value
}
