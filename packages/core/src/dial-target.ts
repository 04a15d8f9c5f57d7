import { isIPv6 } from 'node:net'
import type { networkInterfaces } from 'node:os'
import { addressBits, addressRange, inRange, samePrefix, type AddressRange } from './address-range.ts'

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
const RANGES = (
  [
    ['0.0.0.0/8', { kind: 'never', what: 'an unspecified address' }],
    ['127.0.0.0/8', { kind: 'loopback' }],
    ['10.0.0.0/8', { kind: 'private', what: 'a private address' }],
    ['172.16.0.0/12', { kind: 'private', what: 'a private address' }],
    ['192.168.0.0/16', { kind: 'private', what: 'a private address' }],
    ['100.64.0.0/10', { kind: 'private', what: "an address of a provider's NAT" }],
    ['169.254.0.0/16', { kind: 'private', what: 'a link-local address' }],
    ['192.0.0.0/24', { kind: 'never', what: 'a reserved address' }],
    ['192.88.99.0/24', { kind: 'never', what: 'a 6to4 relay' }],
    ['198.18.0.0/15', { kind: 'never', what: 'a reserved address' }],
    ['224.0.0.0/4', { kind: 'never', what: 'a multicast address' }],
    ['255.255.255.255', { kind: 'never', what: 'the broadcast address' }],
    ['240.0.0.0/4', { kind: 'never', what: 'a reserved address' }],
    ['0.0.0.0/0', { kind: 'global' }],
    ['::', { kind: 'never', what: 'the unspecified address' }],
    ['::1', { kind: 'loopback' }],
    ['64:ff9b::/96', { kind: 'never', what: 'IPv4 behind a translator' }],
    ['64:ff9b:1::/48', { kind: 'never', what: 'IPv4 behind a translator' }],
    ['2002::/16', { kind: 'never', what: 'IPv4 in 6to4' }],
    ['2001::/32', { kind: 'never', what: 'IPv4 in Teredo' }],
    ['2001:db8::/32', { kind: 'global' }],
    ['2001::/23', { kind: 'never', what: 'a reserved address' }],
    ['fc00::/7', { kind: 'private', what: 'a unique local address' }],
    ['fe80::/10', { kind: 'private', what: 'a link-local address' }],
    ['ff00::/8', { kind: 'never', what: 'a multicast address' }],
    // Of IPv6, only this is assigned at all (RFC 4291 §2.4).
    ['2000::/3', { kind: 'global' }],
    ['::/0', { kind: 'never', what: 'a reserved address' }]
  ] satisfies ReadonlyArray<readonly [range: string, kind: AddressKind]>
).map(([text, kind]): { readonly range: AddressRange; readonly kind: AddressKind } => ({ range: addressRange(text) as AddressRange, kind }))

/**
 * Judges an IP literal by itself. The ranges for documentation count as global: nobody has them, and test networks use them. Pure.
 * @returns undefined for what is no IP literal, or names one of our interfaces with a zone
 */
export function addressKind(address: string): AddressKind | undefined {
  const bits = address.includes('%') ? undefined : addressBits(address)
  if (bits === undefined) return undefined
  if (bits.family === 4 && isIPv6(address)) return { kind: 'never', what: 'IPv4 written as IPv6' }
  return RANGES.find(({ range }) => inRange(bits, range))?.kind
}

/** Whether the address is one of this machine's. Pure. */
export function isOwnAddress(address: string, interfaces: Interfaces): boolean {
  return all(interfaces).some((own) => samePrefix(own.address, address, 128))
}

/** Whether a machine with that address can be in a subnet of one of ours: not its network or broadcast address. Pure. */
export function isNeighbour(address: string, interfaces: Interfaces): 'neighbour' | 'broadcast' | 'elsewhere' {
  const bits = addressBits(address)
  for (const { cidr, internal } of all(interfaces)) {
    const subnet = internal ? undefined : addressRange(cidr ?? '')
    if (bits === undefined || subnet === undefined || subnet.prefix === 0 || !inRange(bits, subnet)) continue
    return subnet.family === 4 && isEdge(bits.bits, subnet.prefix) ? 'broadcast' : 'neighbour'
  }
  return 'elsewhere'
}

/** The first or last address of its IPv4 subnet; in subnets of two there are none such (RFC 3021). */
function isEdge(bits: bigint, prefix: number): boolean {
  if (prefix > 30) return false
  const size = 1n << BigInt(32 - prefix)
  return bits % size === 0n || bits % size === size - 1n
}

function all(interfaces: Interfaces): NonNullable<Interfaces[string]> {
  return Object.values(interfaces).flatMap((addresses) => addresses ?? [])
}
