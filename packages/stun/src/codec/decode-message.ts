import type { StunAttributeName, StunAttributes } from './attributes.ts'
import { attributeCodecs, attributeNames, FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256 } from './attribute-codecs.ts'
import type { AttributeCodec } from './attribute-codecs.ts'
import { isIntegrity, type IntegrityKey } from './integrity.ts'
import { malformed } from './malformed.ts'
import { fingerprintOf, HEADER_BYTES, MAGIC_COOKIE, type StunMessage } from './message.ts'
import { decodeMessageType } from './methods.ts'

/** A message as it was received. */
export interface ReceivedMessage extends StunMessage {
  /** Attributes the receiver would have to understand but does not, at most 32: answered with 420, or a reason to drop a response (RFC 8489 §6.3). */
  readonly unknownRequired: readonly number[]
  /** Whether there was a FINGERPRINT; a wrong one makes a message malformed. */
  readonly fingerprint: boolean
  /** Whether it is without magic cookie (RFC 3489). */
  readonly legacy: boolean
  /** Which integrity attributes it has; {@link verifyIntegrity} checks them. */
  readonly signed: { readonly sha1: boolean; readonly sha256: boolean }
}

export interface DecodeOptions {
  /** Whether messages without magic cookie are taken; default false. */
  readonly legacy?: boolean
}

interface Signature {
  readonly value: Buffer
  readonly before: Buffer
}

const signatures = new WeakMap<ReceivedMessage, { readonly sha1: Signature | undefined; readonly sha256: Signature | undefined }>()

/** Bounds the answer to a message full of unknown attributes. */
const MAX_UNKNOWN = 32

/**
 * Reads one message (RFC 8489 §6.3, §14), strictly: cookie, lengths, methods, the values of all known attributes and the fingerprint must
 * be right. What comes after the integrity is ignored, except a stronger integrity and the fingerprint, which must be last.
 * @param bytes exactly one message. They are not copied.
 * @throws ERR_STUN_MALFORMED and nothing else.
 */
export function decodeMessage(bytes: Uint8Array, { legacy = false }: DecodeOptions = {}): ReceivedMessage {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (buffer.length < HEADER_BYTES) throw malformed(`it has ${buffer.length} bytes, and a header has ${HEADER_BYTES}`)
  const type = buffer.readUInt16BE()
  if ((type & 0xc000) !== 0) throw malformed('the first two bits are not zero')
  const length = buffer.readUInt16BE(2)
  if (length % 4 !== 0) throw malformed(`the length ${length} is no multiple of 4`)
  if (length !== buffer.length - HEADER_BYTES) throw malformed(`the length says ${length}, there are ${buffer.length - HEADER_BYTES} bytes`)
  const hasCookie = buffer.readUInt32BE(4) === MAGIC_COOKIE
  if (!hasCookie && !legacy) throw malformed('the magic cookie is missing')
  const kind = decodeMessageType(type)
  if (kind === undefined) throw malformed(`type 0x${type.toString(16)} has an unknown method`)

  const attributes: { -readonly [Name in StunAttributeName]?: unknown } = {}
  const unknownRequired: number[] = []
  const key = buffer.subarray(4, HEADER_BYTES)
  let sha1: Signature | undefined
  let sha256: Signature | undefined
  let fingerprint = false
  for (let at = HEADER_BYTES; at < buffer.length; ) {
    if (fingerprint) throw malformed('something follows the fingerprint')
    const attribute = buffer.readUInt16BE(at)
    const size = buffer.readUInt16BE(at + 2)
    const end = at + 4 + size
    if (end > buffer.length) throw malformed(`attribute 0x${attribute.toString(16)} of ${size} bytes goes beyond the end`)
    const value = buffer.subarray(at + 4, end)
    const before = buffer.subarray(0, at)
    at = end + (-size & 3)
    if (attribute === FINGERPRINT) {
      if (!value.equals(fingerprintOf(before))) throw malformed('the fingerprint is wrong')
      fingerprint = true
    } else if (sha256 !== undefined) continue
    else if (attribute === MESSAGE_INTEGRITY_SHA256) {
      if (size < 16 || size > 32 || size % 4 !== 0) throw malformed(`MESSAGE-INTEGRITY-SHA256 has ${size} bytes`)
      sha256 = { value, before }
    } else if (sha1 !== undefined) continue
    else if (attribute === MESSAGE_INTEGRITY) {
      if (size !== 20) throw malformed(`MESSAGE-INTEGRITY has ${size} bytes`)
      sha1 = { value, before }
    } else {
      const name = attributeNames.get(attribute)
      if (name === 'xorPeerAddress' && attributes[name] !== undefined)
        (attributes[name] as unknown[]).push(...attributeCodecs[name].decode(value, key))
      else if (name !== undefined) attributes[name] ??= (attributeCodecs[name] as AttributeCodec<unknown>).decode(value, key)
      else if (attribute < 0x8000 && unknownRequired.length < MAX_UNKNOWN && !unknownRequired.includes(attribute))
        unknownRequired.push(attribute)
    }
  }
  const message: ReceivedMessage = {
    ...kind,
    transactionId: hasCookie ? buffer.subarray(8, HEADER_BYTES) : key,
    attributes: attributes as StunAttributes,
    unknownRequired,
    fingerprint,
    legacy: !hasCookie,
    signed: { sha1: sha1 !== undefined, sha256: sha256 !== undefined }
  }
  signatures.set(message, { sha1, sha256 })
  return message
}

/** Whether a received message carries the integrity attribute of this key's algorithm, and it is right. */
export function verifyIntegrity(message: ReceivedMessage, key: IntegrityKey): boolean {
  const signature = signatures.get(message)?.[key.algorithm]
  return signature !== undefined && isIntegrity(signature.value, signature.before, key)
}
