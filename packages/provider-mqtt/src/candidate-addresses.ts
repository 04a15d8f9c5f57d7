import { isIP } from 'node:net'
import { type NetworkFacts, type NetworkRoute, type PeerNetwork, addressKind, isLinkLocal6, samePrefix } from '@kithmesh/core/plugin'

/**
 * Where a device may be reached by plain dialling, the most promising first; the device itself is proven by TLS only. Pure.
 * 1. Addresses of the network that both are in, by the external address they share, or of the machine that both are on.
 * 2. External addresses, those first that nothing translates or filters.
 * 3. Local addresses of networks that may be ours, too: the same first 16 (IPv4) or 64 bits (IPv6), or nothing is known of the outside.
 */
export function candidateAddresses(peer: PeerNetwork, own: NetworkFacts): string[] {
  const local = (route: NetworkRoute): boolean => usable(route.localAddress, route.family, own)
  const shared = peer.routes.filter((route) => local(route) && own.routes.some((mine) => sameNetwork(route, mine)))
  const external = peer.routes
    .filter(({ externalAddress, family }) => externalAddress !== undefined && usable(externalAddress, family, own))
    .sort((a, b) => obstacles(a) - obstacles(b))
  const perhaps = peer.routes.filter((route) => local(route) && own.routes.some((mine) => mayBeSameNetwork(route, mine)))
  return [
    ...new Set([
      ...shared.map(({ localAddress }) => localAddress),
      ...external.map(({ externalAddress }) => externalAddress as string),
      ...perhaps.map(({ localAddress }) => localAddress)
    ])
  ]
}

/** Not those that nobody can be reached at, nor link-local ones of IPv6: they need the zone of an interface, which a description cannot tell. */
function usable(address: string, family: 4 | 6, own: NetworkFacts): boolean {
  if (isIP(address) !== family || isLinkLocal6(address)) return false
  const kind = addressKind(address)?.kind
  if (kind === 'loopback') return own.routes.some(({ localAddress }) => addressKind(localAddress)?.kind === 'loopback')
  return kind === 'global' || kind === 'private'
}

/** Behind one address: the same NAT, or the same machine. */
function sameNetwork(theirs: NetworkRoute, mine: NetworkRoute): boolean {
  return theirs.family === mine.family && theirs.externalAddress !== undefined && theirs.externalAddress === mine.externalAddress
}

function mayBeSameNetwork(theirs: NetworkRoute, mine: NetworkRoute): boolean {
  if (theirs.family !== mine.family) return false
  if (theirs.externalAddress === undefined || mine.externalAddress === undefined) return true
  return samePrefix(theirs.localAddress, mine.localAddress, theirs.family === 4 ? 16 : 64)
}

/** How much lies between the internet and a TCP listener on this route. */
function obstacles({ tcp }: NetworkRoute): number {
  if (tcp.mapping === 'none') return tcp.filtering === 'endpoint-independent' ? 0 : 1
  return tcp.mapping === 'blocked' ? 4 : tcp.filtering === 'endpoint-independent' ? 2 : 3
}
