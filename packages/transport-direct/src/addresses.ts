import { addressText, isLinkLocal6, unmappedBytes } from '@kithmesh/core/plugin'

/**
 * The order in which to try a host's addresses (RFC 8305 §4): families alternate, beginning with that of the first address, and
 * within a family the given order stays, as discovery puts the most promising first. Doubles go, link-local IPv6 addresses
 * without a zone come last since nothing says which interface they are on. Pure.
 */
export function orderAddresses(addresses: readonly string[]): string[] {
  const unique = [...new Set(addresses.map(normalizeAddress))]
  const usable = unique.filter((address) => !lacksZone(address))
  const first = familyOf(usable[0] ?? '')
  const same = usable.filter((address) => familyOf(address) === first)
  const other = usable.filter((address) => familyOf(address) !== first)
  const ordered: string[] = []
  for (let index = 0; index < Math.max(same.length, other.length); index++) {
    if (same[index] !== undefined) ordered.push(same[index]!)
    if (other[index] !== undefined) ordered.push(other[index]!)
  }
  return [...ordered, ...unique.filter(lacksZone)]
}

/** Without brackets, in lower case but for the zone, IPv4 in its own form where it came mapped into IPv6. */
export function normalizeAddress(address: string): string {
  const bare = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address
  const bytes = unmappedBytes(bare)
  return bytes?.length === 4 ? addressText(bytes) : bare.replace(/^[^%]*/, (ip) => ip.toLowerCase())
}

function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4
}

function lacksZone(address: string): boolean {
  return isLinkLocal6(address) && !address.includes('%')
}
