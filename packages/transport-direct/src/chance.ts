import type { NetworkFacts, NetworkRoute, PeerNetwork } from '@kithmesh/core'

/** Before every other strategy, and after those that bring a connection about where a router or firewall stands in the way. */
const LIKELY = 0
export const UNLIKELY = 60

/**
 * How early dialling a device is worth while, by what it tells of its network. Pure. Its listening port is reached where nothing translates
 * or filters, on a network that both share, or when nobody knows; behind a router or firewall only if somebody forwarded the port, which no
 * probe can tell. A NAT that lets everybody use its mappings ("full cone") has none for a port that only listens.
 */
export function directRank(peer: PeerNetwork | undefined, own: NetworkFacts): number {
  if (peer === undefined || peer.routes.length === 0) return LIKELY
  return peer.routes.some((route) => isLikely(route, own)) ? LIKELY : UNLIKELY
}

function isLikely({ family, externalAddress, tcp }: NetworkRoute, own: NetworkFacts): boolean {
  if (externalAddress === undefined) return true
  if (own.routes.some((mine) => mine.family === family && mine.externalAddress === externalAddress)) return true
  if (tcp.mapping === 'unknown') return true
  return tcp.mapping === 'none' && (tcp.filtering === 'endpoint-independent' || tcp.filtering === 'unknown')
}
