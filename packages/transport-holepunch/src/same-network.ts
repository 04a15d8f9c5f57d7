import { isIPv6 } from 'node:net'
import { addressKind, samePrefix } from '@kithmesh/core/plugin'

/**
 * Whether two addresses are probably in one network: equal in the first 24 bits (IPv4) or 64 bits (IPv6). The prefix length of the
 * other side is unknown; these are what home and office networks use.
 */
export function sameSubnet(one: string, other: string): boolean {
  return samePrefix(one, other, isIPv6(one) ? 64 : 24)
}

/** Addresses that mean something else, or nothing, outside their own network. */
export function isPrivate(address: string): boolean {
  const kind = addressKind(address.replace(/%.*$/, ''))?.kind
  return kind === 'private' || kind === 'loopback'
}
