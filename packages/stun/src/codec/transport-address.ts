import { isIPv4, isIPv6 } from 'node:net'
import { addressText, formatEndpoint, unmappedBytes } from '@kithmesh/core/plugin'

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
  const bytes = isIPv6(address) ? unmappedBytes(address) : undefined
  return bytes === undefined ? address : addressText(bytes)
}
