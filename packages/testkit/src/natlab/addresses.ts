import type { LabSide, Router } from './options.ts'

/** The servers' addresses: two, so that a STUN server can show how a NAT depends on the destination (RFC 5780). */
export const serverAddresses = Object.freeze({
  ipv4: Object.freeze(['203.0.113.10', '203.0.113.11'] as const),
  ipv6: Object.freeze(['2001:db8:0:1::10', '2001:db8:0:1::11'] as const)
})

/** Where a peer is. */
export interface PeerAddresses {
  /** Of its interface. */
  readonly ipv4: string
  /** What others see: the outermost router's address, or the peer's own where nothing is translated. */
  readonly publicIpv4: string
  /** Global, when the lab has IPv6. */
  readonly ipv6: string | undefined
}

/** The networks of one side (documentation and private ranges: RFC 5737, RFC 1918, RFC 6598, RFC 3849). */
export interface SideNetworks {
  /** The outermost router's address in 203.0.113.0/24. */
  readonly wan: string
  readonly wan6: string
  /** Behind the router, where it translates. */
  readonly lan: Network
  /** Behind the router, where it does not. */
  readonly publicLan: Network
  readonly lan6: Network
  /** Between a router and its carrier. */
  readonly carrier: Network
  readonly carrier6: Network
}

/** `prefix` with length; the router's address in it; those of the hosts. */
export interface Network {
  readonly prefix: string
  readonly length: number
  readonly router: string
  readonly hosts: readonly [string, string]
}

export const sideNetworks: Readonly<Record<LabSide, SideNetworks>> = Object.freeze({
  a: {
    wan: '203.0.113.21',
    wan6: '2001:db8:0:1::21',
    lan: { prefix: '10.1.0.0/24', length: 24, router: '10.1.0.1', hosts: ['10.1.0.2', '10.1.0.3'] },
    publicLan: { prefix: '198.51.100.0/25', length: 25, router: '198.51.100.1', hosts: ['198.51.100.2', '198.51.100.3'] },
    lan6: { prefix: '2001:db8:a::/64', length: 64, router: '2001:db8:a::1', hosts: ['2001:db8:a::2', '2001:db8:a::3'] },
    carrier: { prefix: '100.64.1.0/24', length: 24, router: '100.64.1.1', hosts: ['100.64.1.2', '100.64.1.3'] },
    carrier6: { prefix: '2001:db8:ca::/64', length: 64, router: '2001:db8:ca::1', hosts: ['2001:db8:ca::2', '2001:db8:ca::3'] }
  },
  b: {
    wan: '203.0.113.22',
    wan6: '2001:db8:0:1::22',
    lan: { prefix: '10.2.0.0/24', length: 24, router: '10.2.0.1', hosts: ['10.2.0.2', '10.2.0.3'] },
    publicLan: { prefix: '198.51.100.128/25', length: 25, router: '198.51.100.129', hosts: ['198.51.100.130', '198.51.100.131'] },
    lan6: { prefix: '2001:db8:b::/64', length: 64, router: '2001:db8:b::1', hosts: ['2001:db8:b::2', '2001:db8:b::3'] },
    carrier: { prefix: '100.64.2.0/24', length: 24, router: '100.64.2.1', hosts: ['100.64.2.2', '100.64.2.3'] },
    carrier6: { prefix: '2001:db8:cb::/64', length: 64, router: '2001:db8:cb::1', hosts: ['2001:db8:cb::2', '2001:db8:cb::3'] }
  }
})

/** Whether hosts behind the router have addresses of their own in the internet. */
export function isPublic(router: Router): boolean {
  return router.kind === 'open' || router.kind === 'firewall'
}

/** The network that the hosts behind a side's router are in. */
export function lanOf(side: LabSide, router: Router): Network {
  return isPublic(router) ? sideNetworks[side].publicLan : sideNetworks[side].lan
}
