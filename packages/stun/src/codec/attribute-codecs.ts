/** Every attribute as bytes and back. One file because it is one table, with the few forms that its rows are made of. */
import { addressBytes, addressText } from '@kithmesh/core/plugin'
import type { PasswordAlgorithm, StunAttributeName, StunAttributes } from './attributes.ts'
import type { TransportAddress } from './transport-address.ts'
import { malformed } from './malformed.ts'

/** Type number and both directions of one attribute. `key` is the cookie and the transaction id, which addresses are XORed with. */
export interface AttributeCodec<T> {
  readonly type: number
  /** @throws TypeError for values that cannot be sent. */
  encode(value: T, key: Uint8Array): Buffer
  /** @throws ERR_STUN_MALFORMED. */
  decode(value: Buffer, key: Uint8Array): T
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const port = (buffer: Buffer): number => buffer.readUInt16BE(2)

function expectLength(value: Buffer, length: number): void {
  if (value.length !== length) throw malformed(`an attribute of ${length} bytes has ${value.length}`)
}

function bounded(name: string, buffer: Buffer, limit: number): Buffer {
  if (buffer.length > limit) throw new TypeError(`${name} has ${buffer.length} bytes, which is more than ${limit}`)
  return buffer
}

function familyFrom(number: number | undefined): 4 | 6 {
  if (number !== 1 && number !== 2) throw malformed(`${number} is no address family`)
  return number === 1 ? 4 : 6
}

function address(type: number, xor: boolean): AttributeCodec<TransportAddress> {
  const mask = (buffer: Buffer, key: Uint8Array): void => {
    if (xor) for (let index = 2; index < buffer.length; index++) buffer[index]! ^= key[index < 4 ? index - 2 : index - 4]!
  }
  return {
    type,
    encode(value, key) {
      const bytes = addressBytes(value.address)
      if (bytes === undefined) throw new TypeError(`${value.address} is no IP address`)
      const buffer = Buffer.alloc(4 + bytes.length)
      buffer[1] = bytes.length === 4 ? 1 : 2
      buffer.writeUInt16BE(value.port, 2)
      bytes.copy(buffer, 4)
      mask(buffer, key)
      return buffer
    },
    decode(value, key) {
      if (value.length < 4) throw malformed('an address is cut off')
      expectLength(value, familyFrom(value[1]) === 4 ? 8 : 20)
      const plain = Buffer.from(value)
      mask(plain, key)
      return { address: addressText(plain.subarray(4)), port: port(plain) }
    }
  }
}

const addressList = (type: number): AttributeCodec<readonly TransportAddress[]> => {
  const one = address(type, true)
  return {
    type,
    encode: () => {
      throw new TypeError('a list is encoded item by item')
    },
    decode: (value, key) => [one.decode(value, key)]
  }
}

/** UTF-8 of at most `limit` bytes; Latin-1 for opaque texts. Comments may be malformed: they mean nothing to the protocol. */
function text(type: number, limit: number, kind: 'exact' | 'opaque' | 'comment' = 'exact'): AttributeCodec<string> {
  return {
    type,
    encode: (value) => bounded('A text', Buffer.from(value, kind === 'opaque' ? 'latin1' : 'utf8'), limit),
    decode(value) {
      if (value.length > limit) throw malformed(`a text has ${value.length} bytes, which is more than ${limit}`)
      if (kind === 'opaque') return value.toString('latin1')
      if (kind === 'comment') return printable(value)
      try {
        return utf8.decode(value)
      } catch {
        throw malformed('a text is not UTF-8')
      }
    }
  }
}

/** For logs and messages: no control characters, so that a server cannot write into a terminal; trailing padding is cut off. */
function printable(value: Buffer): string {
  return value
    .toString('utf8')
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, '')
    .trimEnd()
}

function bytes(type: number, length?: number): AttributeCodec<Uint8Array> {
  return {
    type,
    encode(value) {
      if (length !== undefined && value.length !== length) throw new TypeError(`${length} bytes are needed, not ${value.length}`)
      return bounded('A value', Buffer.from(value.buffer, value.byteOffset, value.length), 0xffff)
    },
    decode(value) {
      if (length !== undefined) expectLength(value, length)
      return value
    }
  }
}

function uint32(type: number): AttributeCodec<number> {
  return {
    type,
    encode(value) {
      const buffer = Buffer.alloc(4)
      buffer.writeUInt32BE(value)
      return buffer
    },
    decode(value) {
      expectLength(value, 4)
      return value.readUInt32BE()
    }
  }
}

/** A number of 16 bits and two bytes of nothing, which some leave away. */
function uint16(type: number): AttributeCodec<number> {
  return {
    type,
    encode(value) {
      const buffer = Buffer.alloc(4)
      buffer.writeUInt16BE(value)
      return buffer
    },
    decode(value) {
      if (value.length !== 2) expectLength(value, 4)
      return value.readUInt16BE()
    }
  }
}

/** One byte that counts and three of nothing. */
function firstByte<T>(type: number, toByte: (value: T) => number, fromByte: (byte: number) => T): AttributeCodec<T> {
  return {
    type,
    encode: (value) => Buffer.from([toByte(value), 0, 0, 0]),
    decode(value) {
      expectLength(value, 4)
      return fromByte(value[0]!)
    }
  }
}

const familyNumber = (family: 4 | 6): number => (family === 4 ? 1 : 2)

function encodeError(first: number, { code, reason }: { code: number; reason: string }): Buffer {
  if (!Number.isInteger(code) || code < 300 || code > 699) throw new TypeError(`${code} is no STUN error code`)
  return bounded('A reason', Buffer.concat([Buffer.from([first, 0, Math.floor(code / 100), code % 100]), Buffer.from(reason)]), 763)
}

function decodeError(value: Buffer): { code: number; reason: string } {
  if (value.length < 4) throw malformed('an error code is cut off')
  const [hundreds, rest] = [value[2]! & 7, value[3]!]
  if (hundreds < 3 || hundreds > 6 || rest > 99) throw malformed(`${hundreds} × 100 + ${rest} is no error code`)
  return { code: hundreds * 100 + rest, reason: printable(value.subarray(4)) }
}

function encodeAlgorithm({ algorithm, parameters }: PasswordAlgorithm): Buffer {
  const buffer = Buffer.alloc(4 + Math.ceil(parameters.length / 4) * 4)
  buffer.writeUInt16BE(algorithm)
  buffer.writeUInt16BE(parameters.length, 2)
  buffer.set(parameters, 4)
  return buffer
}

function decodeAlgorithms(value: Buffer): PasswordAlgorithm[] {
  const list: PasswordAlgorithm[] = []
  for (let at = 0; at < value.length; ) {
    if (value.length - at < 4) throw malformed('a password algorithm is cut off')
    const length = value.readUInt16BE(at + 2)
    if (value.length - at - 4 < length) throw malformed('the parameters of a password algorithm are cut off')
    list.push({ algorithm: value.readUInt16BE(at), parameters: value.subarray(at + 4, at + 4 + length) })
    at += 4 + Math.ceil(length / 4) * 4
  }
  return list
}

type Codecs = { readonly [Name in StunAttributeName]-?: AttributeCodec<NonNullable<StunAttributes[Name]>> }

/** RFC 8489 §18.3, RFC 5780 §9.1, RFC 3489 §11.2, RFC 8656 §18, RFC 6062 §6.2. */
export const attributeCodecs: Codecs = {
  mappedAddress: address(0x0001, false),
  changeRequest: {
    type: 0x0003,
    encode: ({ ip, port }) => Buffer.from([0, 0, 0, (ip ? 4 : 0) | (port ? 2 : 0)]),
    decode(value) {
      expectLength(value, 4)
      return { ip: (value[3]! & 4) !== 0, port: (value[3]! & 2) !== 0 }
    }
  },
  sourceAddress: address(0x0004, false),
  changedAddress: address(0x0005, false),
  username: text(0x0006, 508),
  errorCode: { type: 0x0009, encode: (value) => encodeError(0, value), decode: decodeError },
  unknownAttributes: {
    type: 0x000a,
    encode: (types) => Buffer.from(types.flatMap((type) => [type >> 8, type & 0xff])),
    decode(value) {
      if (value.length % 2 !== 0) throw malformed('half an attribute type in UNKNOWN-ATTRIBUTES')
      return Array.from({ length: value.length / 2 }, (_, index) => value.readUInt16BE(index * 2))
    }
  },
  reflectedFrom: address(0x000b, false),
  channelNumber: uint16(0x000c),
  lifetime: uint32(0x000d),
  xorPeerAddress: addressList(0x0012),
  data: bytes(0x0013),
  realm: text(0x0014, 763),
  nonce: text(0x0015, 763, 'opaque'),
  xorRelayedAddress: address(0x0016, true),
  requestedAddressFamily: firstByte(0x0017, familyNumber, familyFrom),
  evenPort: {
    type: 0x0018,
    encode: ({ reserveNext }) => Buffer.from([reserveNext ? 0x80 : 0]),
    decode(value) {
      expectLength(value, 1)
      return { reserveNext: (value[0]! & 0x80) !== 0 }
    }
  },
  requestedTransport: firstByte<number>(
    0x0019,
    (value) => value,
    (byte) => byte
  ),
  dontFragment: {
    type: 0x001a,
    encode: () => Buffer.alloc(0),
    decode(value) {
      expectLength(value, 0)
      return true
    }
  },
  passwordAlgorithm: {
    type: 0x001d,
    encode: encodeAlgorithm,
    decode(value) {
      const [first, second] = decodeAlgorithms(value)
      if (first === undefined || second !== undefined) throw malformed('PASSWORD-ALGORITHM has not exactly one algorithm')
      return first
    }
  },
  userhash: bytes(0x001e, 32),
  xorMappedAddress: address(0x0020, true),
  reservationToken: bytes(0x0022, 8),
  padding: bytes(0x0026),
  responsePort: uint16(0x0027),
  connectionId: uint32(0x002a),
  additionalAddressFamily: firstByte(0x8000, familyNumber, familyFrom),
  addressErrorCode: {
    type: 0x8001,
    encode: (value) => encodeError(familyNumber(value.family), value),
    decode: (value) => ({ family: familyFrom(value[0]), ...decodeError(value) })
  },
  passwordAlgorithms: {
    type: 0x8002,
    encode: (list) => bounded('A list', Buffer.concat(list.map(encodeAlgorithm)), 0xffff),
    decode: decodeAlgorithms
  },
  alternateDomain: text(0x8003, 255, 'comment'),
  icmp: {
    type: 0x8004,
    encode({ type, code, data }) {
      const buffer = Buffer.alloc(8)
      buffer.writeUInt16BE((type << 9) | code, 2)
      buffer.writeUInt32BE(data, 4)
      return buffer
    },
    decode(value) {
      expectLength(value, 8)
      return { type: value.readUInt16BE(2) >> 9, code: value.readUInt16BE(2) & 0x1ff, data: value.readUInt32BE(4) }
    }
  },
  software: text(0x8022, 763, 'comment'),
  alternateServer: address(0x8023, false),
  cacheTimeout: uint32(0x8027),
  responseOrigin: address(0x802b, false),
  otherAddress: address(0x802c, false)
}

/** Attributes that are part of the frame rather than of what is said. */
export const MESSAGE_INTEGRITY = 0x0008
export const MESSAGE_INTEGRITY_SHA256 = 0x001c
export const FINGERPRINT = 0x8028

/** The name of an attribute type; undefined when it is none of ours. */
export const attributeNames: ReadonlyMap<number, StunAttributeName> = new Map(
  Object.entries(attributeCodecs).map(([name, { type }]) => [type, name as StunAttributeName])
)

/** Appends one value of an attribute, all of them for a list. */
export function* encodedValues(attributes: StunAttributes, key: Uint8Array): Generator<{ readonly type: number; readonly value: Buffer }> {
  for (const [name, value] of Object.entries(attributes) as [StunAttributeName, never][]) {
    const codec = attributeCodecs[name] as AttributeCodec<unknown> | undefined
    if (codec === undefined) throw new TypeError(`There is no STUN attribute "${name}"`)
    if (value === undefined) continue
    if (name !== 'xorPeerAddress') yield { type: codec.type, value: codec.encode(value, key) }
    else
      for (const one of value as readonly TransportAddress[]) yield { type: codec.type, value: address(codec.type, true).encode(one, key) }
  }
}
