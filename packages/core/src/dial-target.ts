import { BlockList, isIP } from 'node:net'
import type { networkInterfaces } from 'node:os'

type Interfaces = ReturnType<typeof networkInterfaces>

/** What kind of destination an address is, for the decision whether a peer may have us connect to it. */
export type AddressKind =
  | { readonly kind: 'global' }
  /** Means different machines on different networks. */
  | { readonly kind: 'private'; readonly what: string }
  | { readonly kind: 'loopback' }
  /** No peer is ever there, or it stands for another address that would have to be judged instead. */
  | { readonly kind: 'never'; readonly what: string }

/** IANA's special-purpose registries (RFC 6890), as far as they are not global. First match counts. */
const IPV4: ReadonlyArray<readonly [prefix: string, bits: number, kind: AddressKind]> = [
  ['0.0.0.0', 8, { kind: 'never', what: 'an unspecified address' }],
  ['127.0.0.0', 8, { kind: 'loopback' }],
  ['10.0.0.0', 8, { kind: 'private', what: 'a private address' }],
  ['172.16.0.0', 12, { kind: 'private', what: 'a private address' }],
  ['192.168.0.0', 16, { kind: 'private', what: 'a private address' }],
  ['100.64.0.0', 10, { kind: 'private', what: "an address of a provider's NAT" }],
  ['169.254.0.0', 16, { kind: 'private', what: 'a link-local address' }],
  ['192.0.0.0', 24, { kind: 'never', what: 'a reserved address' }],
  ['192.88.99.0', 24, { kind: 'never', what: 'a 6to4 relay' }],
  ['198.18.0.0', 15, { kind: 'never', what: 'a reserved address' }],
  ['224.0.0.0', 4, { kind: 'never', what: 'a multicast address' }],
  ['255.255.255.255', 32, { kind: 'never', what: 'the broadcast address' }],
  ['240.0.0.0', 4, { kind: 'never', what: 'a reserved address' }]
]
const IPV6: typeof IPV4 = [
  ['::', 128, { kind: 'never', what: 'the unspecified address' }],
  ['::1', 128, { kind: 'loopback' }],
  ['::ffff:0:0', 96, { kind: 'never', what: 'IPv4 written as IPv6' }],
  ['64:ff9b::', 96, { kind: 'never', what: 'IPv4 behind a translator' }],
  ['64:ff9b:1::', 48, { kind: 'never', what: 'IPv4 behind a translator' }],
  ['2002::', 16, { kind: 'never', what: 'IPv4 in 6to4' }],
  ['2001::', 32, { kind: 'never', what: 'IPv4 in Teredo' }],
  ['2001:db8::', 32, { kind: 'global' }],
  ['2001::', 23, { kind: 'never', what: 'a reserved address' }],
  ['fc00::', 7, { kind: 'private', what: 'a unique local address' }],
  ['fe80::', 10, { kind: 'private', what: 'a link-local address' }],
  ['ff00::', 8, { kind: 'never', what: 'a multicast address' }],
  ['2000::', 3, { kind: 'global' }]
]
const RANGES = [...IPV4.map((row) => [...row, 'ipv4'] as const), ...IPV6.map((row) => [...row, 'ipv6'] as const)].map(
  ([prefix, bits, kind, family]) => {
    const list = new BlockList()
    list.addSubnet(prefix, bits, family)
    return { list, kind, family }
  }
)

/**
 * Judges an IP literal by itself. The ranges for documentation count as global: nobody has them, and test networks use them. Pure.
 * @returns undefined for what is no IP literal, or names one of our interfaces with a zone
 */
export function addressKind(address: string): AddressKind | undefined {
  const version = address.includes('%') ? 0 : isIP(address)
  if (version === 0) return undefined
  const family = version === 4 ? 'ipv4' : 'ipv6'
  const found = RANGES.find((range) => range.family === family && range.list.check(address, family))
  // Of IPv6, only 2000::/3 is assigned at all (RFC 4291 §2.4).
  return found?.kind ?? (version === 4 ? { kind: 'global' } : { kind: 'never', what: 'a reserved address' })
}

/** Whether the address is one of this machine's. Pure. */
export function isOwnAddress(address: string, interfaces: Interfaces): boolean {
  const own = new BlockList()
  for (const each of all(interfaces)) own.addAddress(each.address.replace(/%.*$/, ''), each.family === 'IPv4' ? 'ipv4' : 'ipv6')
  return own.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6')
}

/** Whether a machine with that address can be in a subnet of one of ours: not its network or broadcast address. Pure. */
export function isNeighbour(address: string, interfaces: Interfaces): 'neighbour' | 'broadcast' | 'elsewhere' {
  const version = isIP(address)
  for (const each of all(interfaces)) {
    const prefix = Number(each.cidr?.split('/')[1] ?? Number.NaN)
    if (each.internal || each.family !== `IPv${version}` || !(prefix > 0)) continue
    const subnet = new BlockList()
    subnet.addSubnet(each.address.replace(/%.*$/, ''), prefix, version === 4 ? 'ipv4' : 'ipv6')
    if (!subnet.check(address, version === 4 ? 'ipv4' : 'ipv6')) continue
    return version === 4 && isEdge(address, prefix) ? 'broadcast' : 'neighbour'
  }
  return 'elsewhere'
}

/** The first or last address of its IPv4 subnet; in subnets of two there are none such (RFC 3021). */
function isEdge(address: string, prefix: number): boolean {
  if (prefix > 30) return false
  const host = address.split('.').reduce((value, part) => value * 256 + Number(part), 0) % 2 ** (32 - prefix)
  return host === 0 || host === 2 ** (32 - prefix) - 1
}

function all(interfaces: Interfaces): NonNullable<Interfaces[string]> {
  return Object.values(interfaces).flatMap((addresses) => addresses ?? [])
}
