import type { NatBehaviour, NetworkFacts, NetworkView } from '@kithmesh/core'

const UNKNOWN: NatBehaviour = Object.freeze({ mapping: 'unknown', filtering: 'unknown', ports: Object.freeze({ kind: 'unknown' }) })

/** The facts of a machine with one address of which nothing else is known. */
export function unknownNetwork(localAddress = '127.0.0.1'): NetworkFacts {
  return {
    routes: [{ interfaceIndex: 0, family: 4, localAddress, externalAddress: undefined, tcp: UNKNOWN, udp: UNKNOWN }],
    measuredAt: 0
  }
}

/** A network that never changes. */
export function fixedNetworkView(facts: NetworkFacts = unknownNetwork()): NetworkView {
  return { current: facts, onChange: () => () => {} }
}
