import type { NatBehaviour, NatDependence, NetworkFacts, NetworkRoute, PortAllocation } from '@kithmesh/core'

export const UNKNOWN: NatBehaviour = { mapping: 'unknown', filtering: 'unknown', ports: { kind: 'unknown' } }

export function nat(mapping: NatBehaviour['mapping'], filtering: NatBehaviour['filtering'], ports: PortAllocation): NatBehaviour {
  return { mapping, filtering, ports }
}

const EI: NatDependence = 'endpoint-independent'
const AD: NatDependence = 'address-dependent'
const APD: NatDependence = 'address-and-port-dependent'

/** The kinds of nat-lab.md §2, as a probe would find them. */
export const KINDS = {
  open: nat('none', EI, { kind: 'equal' }),
  firewall: nat('none', APD, { kind: 'equal' }),
  'full-cone': nat(EI, EI, { kind: 'equal' }),
  'address-restricted': nat(EI, AD, { kind: 'equal' }),
  'port-restricted': nat(EI, APD, { kind: 'equal' }),
  'random-ports': nat(EI, APD, { kind: 'random' }),
  'port-preserving': nat(EI, APD, { kind: 'preserving' }),
  'symmetric-sequential': nat(APD, APD, { kind: 'independent', delta: 1 }),
  'symmetric-random': nat(APD, APD, { kind: 'random' }),
  blocked: nat('blocked', 'unknown', { kind: 'unknown' }),
  unknown: UNKNOWN
} as const satisfies Readonly<Record<string, NatBehaviour>>

export type Kind = keyof typeof KINDS

export function route(values: Partial<NetworkRoute> = {}): NetworkRoute {
  return {
    interfaceIndex: 0,
    family: 4,
    localAddress: '10.1.0.2',
    externalAddress: '203.0.113.21',
    tcp: KINDS['port-restricted'],
    udp: UNKNOWN,
    ...values
  }
}

export function facts(...routes: NetworkRoute[]): NetworkFacts {
  return { routes, measuredAt: 0 }
}
