import { isIP } from 'node:net'

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
  const version = isIP(address)
  if (version === 4) return { family: 4, bits: ipv4Bits(address), zone: undefined }
  if (version !== 6) return undefined
  const [literal = '', zone] = address.split('%')
  const bits = ipv6Bits(literal)
  return bits >> 32n === MAPPED ? { family: 4, bits: bits & 0xffffffffn, zone: undefined } : { family: 6, bits, zone }
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

function range({ family, bits, zone }: AddressBits, prefix: number): AddressRange {
  const behind = BigInt(WIDTH[family] - prefix)
  const head = bits >> behind
  const address = `${family === 4 ? ipv4Text(head << behind) : ipv6Text(head << behind)}${zone === undefined ? '' : `%${zone}`}`
  return Object.freeze({ family, prefix, head, zone, text: prefix === WIDTH[family] ? address : `${address}/${prefix}` })
}

function ipv4Bits(literal: string): bigint {
  return BigInt(literal.split('.').reduce((value, part) => value * 256 + Number(part), 0))
}

/** @param literal a valid one without a zone */
function ipv6Bits(literal: string): bigint {
  const dotted = literal.includes('.') ? literal.slice(literal.lastIndexOf(':') + 1) : undefined
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const hex =
    dotted === undefined
      ? literal
      : `${literal.slice(0, -dotted.length)}${(ipv4Bits(dotted) >> 16n).toString(16)}:${(ipv4Bits(dotted) & 0xffffn).toString(16)}`
  const [left = '', right] = hex.split('::')
  const before = groups(left)
  const after = right === undefined ? [] : groups(right)
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n)
}

function ipv4Text(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((bits >> shift) & 0xffn)).join('.')
}

/** RFC 5952 §4: the longest run of zeros, of at least two groups, the first among equals, becomes `::`. */
function ipv6Text(bits: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => Number((bits >> BigInt(112 - 16 * index)) & 0xffffn))
  let from = 0
  let length = 0
  for (let start = 0; start < 8; start++) {
    let end = start
    while (end < 8 && groups[end] === 0) end++
    if (end - start > length) {
      from = start
      length = end - start
    }
  }
  const hex = groups.map((group) => group.toString(16))
  return length < 2 ? hex.join(':') : `${hex.slice(0, from).join(':')}::${hex.slice(from + length).join(':')}`
}
