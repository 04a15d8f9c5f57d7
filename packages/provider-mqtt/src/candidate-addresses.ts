import { BlockList, isIP } from 'node:net'
import type { NetworkFacts, NetworkRoute, PeerNetwork } from '@kithmesh/core'

/** Addresses that nobody can be reached at (RFC 6890): unspecified, multicast and reserved ones; of IPv6 also those that are IPv4 in disguise. */
const unusable = { 4: new BlockList(), 6: new BlockList() } as const
unusable[4].addSubnet('0.0.0.0', 8)
unusable[4].addSubnet('224.0.0.0', 3)
unusable[6].addAddress('::', 'ipv6')
// A list of its own, since this one covers every IPv4 address.
unusable[6].addSubnet('::ffff:0:0', 96, 'ipv6')
unusable[6].addSubnet('ff00::', 8, 'ipv6')
/** Link-local addresses of IPv6 need the zone of an interface, which a peer's description cannot tell. */
unusable[6].addSubnet('fe80::', 10, 'ipv6')
const loopback = { 4: new BlockList(), 6: new BlockList() } as const
loopback[4].addSubnet('127.0.0.0', 8)
loopback[6].addAddress('::1', 'ipv6')

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

function usable(address: string, family: 4 | 6, own: NetworkFacts): boolean {
  if (isIP(address) !== family) return false
  if (unusable[family].check(address, `ipv${family}`)) return false
  return !isLoopback(address, family) || own.routes.some((mine) => isLoopback(mine.localAddress, mine.family))
}

function isLoopback(address: string, family: 4 | 6): boolean {
  return loopback[family].check(address, `ipv${family}`)
}

/** Behind one address: the same NAT, or the same machine. */
function sameNetwork(theirs: NetworkRoute, mine: NetworkRoute): boolean {
  return theirs.family === mine.family && theirs.externalAddress !== undefined && theirs.externalAddress === mine.externalAddress
}

function mayBeSameNetwork(theirs: NetworkRoute, mine: NetworkRoute): boolean {
  if (theirs.family !== mine.family) return false
  if (theirs.externalAddress === undefined || mine.externalAddress === undefined) return true
  const prefix = new BlockList()
  if (theirs.family === 4) prefix.addSubnet(mine.localAddress, 16)
  else if (isIP(mine.localAddress) === 6 && !mine.localAddress.includes('%')) prefix.addSubnet(mine.localAddress, 64, 'ipv6')
  return prefix.check(theirs.localAddress, `ipv${theirs.family}`)
}

/** How much lies between the internet and a TCP listener on this route. */
function obstacles({ tcp }: NetworkRoute): number {
  if (tcp.mapping === 'none') return tcp.filtering === 'endpoint-independent' ? 0 : 1
  return tcp.mapping === 'blocked' ? 4 : tcp.filtering === 'endpoint-independent' ? 2 : 3
}
