import { isIP } from 'node:net'
import { addressText, unmappedBytes } from './ip-address.ts'

/** An IP address as a number. IPv4 written as IPv6 (`::ffff:192.0.2.1`, RFC 4291 §2.5.5.2) is the IPv4 address that it stands for. */
export interface AddressBits {
  readonly family: 4 | 6
  /** 32 or 128 bits. */
  readonly bits: bigint
  /** Which of this machine's links, for addresses that are unique on one only (RFC 4007 §11). */
  readonly zone: string | undefined
}

/** All addresses that begin with the same bits. */
export interface AddressRange {
  readonly family: 4 | 6
  /** How many bits count. */
  readonly prefix: number
  /** Those bits, and nothing behind them: a number below 2 ** prefix. */
  readonly head: bigint
  /** Only addresses on this link; undefined for all. */
  readonly zone: string | undefined
  /** The one way in which this range is written: lowercase, shortened (RFC 5952), no bits behind the prefix, no prefix for one address. */
  readonly text: string
}

const MAX_TEXT = 120
const WIDTH = { 4: 32, 6: 128 } as const
/** ::ffff:0:0/96 */
const MAPPED = 0xffffn
const MAPPED_PREFIX = 96

/** Reads an IP literal; undefined for anything else. Pure. */
export function addressBits(address: string): AddressBits | undefined {
  if (address.length > MAX_TEXT) return undefined
  const bytes = unmappedBytes(address)
  if (bytes === undefined) return undefined
  if (bytes.length === 4) return { family: 4, bits: BigInt(bytes.readUInt32BE()), zone: undefined }
  return { family: 6, bits: (bytes.readBigUInt64BE() << 64n) | bytes.readBigUInt64BE(8), zone: address.split('%')[1] }
}

/**
 * Reads an address or a range in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3), with a zone before the slash where there is one
 * (`fe80::%eth0/10`, RFC 4007 §11.7). Bits behind the prefix are ignored. Ranges of IPv4 written as IPv6 are ranges of IPv4. Pure.
 * @returns undefined for anything else
 */
export function addressRange(text: string): AddressRange | undefined {
  if (text.length > MAX_TEXT) return undefined
  const [address = '', length, ...rest] = text.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return undefined
  const written = version === 4 ? 32 : 128
  if (length !== undefined && !/^(0|[1-9]\d{0,2})$/.test(length)) return undefined
  const given = length === undefined ? written : Number(length)
  if (given > written) return undefined
  const found = addressBits(address) as AddressBits
  if (version === 4 || found.family === 6) return range(found, given)
  // Written as IPv6, and IPv4: with fewer bits than make it so, it is a range of IPv6.
  return given >= MAPPED_PREFIX
    ? range(found, given - MAPPED_PREFIX)
    : range({ family: 6, bits: (MAPPED << 32n) | found.bits, zone: undefined }, given)
}

/** Whether the address is one of the range. A range of one family has no addresses of the other. Pure. */
export function inRange(address: AddressBits, { family, prefix, head, zone }: AddressRange): boolean {
  return (
    address.family === family && address.bits >> BigInt(WIDTH[family] - prefix) === head && (zone === undefined || zone === address.zone)
  )
}

/** Whether two addresses are of one family and begin with the same bits; zones do not count. Pure. */
export function samePrefix(one: string, other: string, prefix: number): boolean {
  const found = addressBits(one)
  const wanted = addressBits(other)
  if (found === undefined || wanted === undefined || found.family !== wanted.family) return false
  return (found.bits ^ wanted.bits) >> BigInt(Math.max(0, WIDTH[found.family] - prefix)) === 0n
}

const LINK_LOCAL_4 = addressRange('169.254.0.0/16') as AddressRange
const LINK_LOCAL_6 = addressRange('fe80::/10') as AddressRange

/** Whether an address is unique on one link only: of IPv4 one that the machine gave itself (RFC 3927), of IPv6 see {@link isLinkLocal6}. Pure. */
export function isLinkLocal(address: string): boolean {
  return isIn(address, LINK_LOCAL_4) || isLinkLocal6(address)
}

/** Whether an address is one of IPv6 that needs the zone of an interface to mean something (RFC 4291 §2.5.6, RFC 4007 §6). Pure. */
export function isLinkLocal6(address: string): boolean {
  return isIn(address, LINK_LOCAL_6)
}

function isIn(address: string, range: AddressRange): boolean {
  const bits = addressBits(address)
  return bits !== undefined && inRange(bits, range)
}

function range({ family, bits, zone }: AddressBits, prefix: number): AddressRange {
  const behind = BigInt(WIDTH[family] - prefix)
  const head = bits >> behind
  const first = Buffer.from((head << behind).toString(16).padStart(WIDTH[family] / 4, '0'), 'hex')
  const address = `${addressText(first)}${zone === undefined ? '' : `%${zone}`}`
  return Object.freeze({ family, prefix, head, zone, text: prefix === WIDTH[family] ? address : `${address}/${prefix}` })
}
