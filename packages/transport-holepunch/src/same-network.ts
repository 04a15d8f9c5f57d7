import { isIPv6 } from 'node:net'
import { addressKind } from '@kithmesh/core/plugin'

/**
 * Whether two addresses are probably in one network: equal in the first 24 bits (IPv4) or 64 bits (IPv6). The prefix length of the
 * other side is unknown; these are what home and office networks use.
 */
export function sameSubnet(one: string, other: string): boolean {
  if (isIPv6(one) !== isIPv6(other)) return false
  if (isIPv6(one)) return prefix64(one) === prefix64(other)
  return one.slice(0, one.lastIndexOf('.')) === other.slice(0, other.lastIndexOf('.'))
}

/** Addresses that mean something else, or nothing, outside their own network. */
export function isPrivate(address: string): boolean {
  const kind = addressKind(address.replace(/%.*$/, ''))?.kind
  return kind === 'private' || kind === 'loopback'
}

function prefix64(address: string): string {
  const [head = '', tail] = address.toLowerCase().split('%')[0]!.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const groups =
    tail === undefined ? left : [...left, ...Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0'), ...right]
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}
