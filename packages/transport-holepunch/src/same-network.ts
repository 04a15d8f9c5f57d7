import { isIPv6 } from 'node:net'

/**
 * Whether two addresses are probably in one network: equal in the first 24 bits (IPv4) or 64 bits (IPv6). The prefix length of the
 * other side is unknown; these are what home and office networks use.
 */
export function sameSubnet(one: string, other: string): boolean {
  if (isIPv6(one) !== isIPv6(other)) return false
  if (isIPv6(one)) return prefix64(one) === prefix64(other)
  return one.slice(0, one.lastIndexOf('.')) === other.slice(0, other.lastIndexOf('.'))
}

/** Addresses that mean something else, or nothing, outside their own network (RFC 1918, 6598, 3927, 4193, 4291). */
export function isPrivate(address: string): boolean {
  if (isIPv6(address)) return /^(?:f[cd]|fe[89ab]|::1$)/i.test(address)
  const [a = 0, b = 0] = address.split('.').map(Number)
  return (
    a === 10 ||
    a === 127 ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 169 && b === 254) ||
    (a === 100 && b >= 64 && b < 128)
  )
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
