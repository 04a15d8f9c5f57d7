import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import { formatEndpoint } from '@kithmesh/core/plugin'

/** An IP address and a port (RFC 8489 §3). The address is an IP literal without zone. */
export interface TransportAddress {
  readonly address: string
  readonly port: number
}

/** 4 or 6; undefined when the text is no IP address. */
export function addressFamily(address: string): 4 | 6 | undefined {
  if (isIPv4(address)) return 4
  return isIPv6(address) ? 6 : undefined
}

/** `192.0.2.1:3478`, `[2001:db8::1]:3478`. */
export function formatTransportAddress(address: TransportAddress): string {
  return formatEndpoint(address)
}

/** Whether two say the same: spelling, zones and the IPv6 form of IPv4 addresses do not count. */
export function sameTransportAddress(a: TransportAddress, b: TransportAddress): boolean {
  return a.port === b.port && sameAddress(a.address, b.address)
}

/** Whether two texts are the same IP address. */
export function sameAddress(a: string, b: string): boolean {
  return a === b || canonicalAddress(a) === canonicalAddress(b)
}

/** One spelling for each address: RFC 5952, no zone, IPv4 instead of its IPv6 form. Texts that are no address stay as they are. */
export function canonicalAddress(address: string): string {
  if (!isIPv6(address)) return address
  const bytes = addressBytes(address)
  return bytes === undefined ? address : addressText(isMappedIPv4(bytes) ? bytes.subarray(12) : bytes)
}

/** 4 or 16 bytes in network order; undefined when the text is no IP address. */
export function addressBytes(address: string): Buffer | undefined {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  if (!isIPv6(address)) return undefined
  const text = address.split('%')[0]!
  const [head = '', tail] = text.split('::')
  const first = groups(head)
  const last = tail === undefined ? [] : groups(tail)
  return Buffer.from([...first, ...new Array<number>(16 - first.length - last.length).fill(0), ...last])
}

/** The address that 4 or 16 bytes mean, IPv6 as RFC 5952 wants it. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
  return new SocketAddress({ family: 'ipv6', address: hex.replace(/(.{4})(?!$)/g, '$1:') }).address
}

function isMappedIPv4(bytes: Buffer): boolean {
  return bytes.readBigUInt64BE(0) === 0n && bytes.readUInt32BE(8) === 0xffff
}

/** The bytes of one side of `::`; the text is known to be valid. */
function groups(text: string): number[] {
  if (text === '') return []
  return text.split(':').flatMap((group) => {
    if (group.includes('.')) return group.split('.').map(Number)
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}
