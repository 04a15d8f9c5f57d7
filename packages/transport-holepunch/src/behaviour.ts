import type { NatBehaviour } from '@kithmesh/core'

/**
 * What the other side can know beforehand of the port that packets to it will come from.
 * `stable`: the port that a STUN server saw; `predictable`: computed from it; `random`: none can be named.
 */
export type Predictability = 'stable' | 'predictable' | 'random' | 'blocked' | 'unknown'

/** Who gets in by a mapping that we have used towards one endpoint (RFC 4787 §5). */
export type Admission = 'anyone' | 'same-address' | 'same-endpoint' | 'unknown'

/** Ports of a range that are few enough to try them all; also how many predicted ports one side tries (nat-lab.md §4: 8). */
export const FAN_OUT = 8

export function predictability({ mapping, ports }: NatBehaviour): Predictability {
  switch (mapping) {
    case 'none':
    case 'endpoint-independent':
      return 'stable'
    case 'blocked':
      return 'blocked'
    case 'unknown':
      return 'unknown'
    case 'address-dependent':
    case 'address-and-port-dependent':
      switch (ports.kind) {
        case 'equal':
        case 'preserving':
        case 'independent':
        case 'dependent':
          return 'predictable'
        case 'range':
          return ports.high - ports.low < FAN_OUT ? 'predictable' : 'random'
        case 'random':
          return 'random'
        case 'unknown':
          return 'unknown'
      }
  }
}

export function admission({ filtering }: NatBehaviour): Admission {
  switch (filtering) {
    case 'endpoint-independent':
      return 'anyone'
    case 'address-dependent':
      return 'same-address'
    case 'address-and-port-dependent':
      return 'same-endpoint'
    case 'unknown':
      return 'unknown'
  }
}

/** Whether each new flow takes the next port of a counter, so that every further flow spoils the prediction. */
export function counts({ mapping, ports }: NatBehaviour): boolean {
  const translated = mapping === 'address-dependent' || mapping === 'address-and-port-dependent'
  return translated && (ports.kind === 'independent' || ports.kind === 'dependent')
}

/** Whether the router takes another port for each new destination, in whatever way. */
export function changes(behaviour: NatBehaviour): boolean {
  return counts(behaviour) || predictability(behaviour) === 'random'
}

/**
 * The facts for TCP, with the filter rule measured over UDP where TCP could not be measured: servers cannot be made to open TCP
 * connections from elsewhere (p2pd.md §2.3), and routers with different rules for the two are rare.
 */
export function tcpBehaviour({ tcp, udp }: { readonly tcp: NatBehaviour; readonly udp: NatBehaviour }): NatBehaviour {
  return tcp.filtering === 'unknown' && udp.filtering !== 'unknown' ? { ...tcp, filtering: udp.filtering } : tcp
}
