import type { NatBehaviour, NatDependence, NetworkRoute, PortAllocation } from '../contracts/network.ts'

/**
 * The two numbers and the value by which an address of seed 002 describes a NAT (p2pd.md §2).
 * - `nat`: 1 open, 2 firewall only, 3 full cone, 4 restricted, 5 port restricted, 6 symmetric, 7 blocked;
 * - `delta`: 1 not applicable, 2 equal, 3 preserving, 4 independent, 5 dependent, 6 random;
 * - `value`: the step of 4 and 5, otherwise 0; 0–65535.
 */
export interface P2pdNat {
  readonly nat: number
  readonly delta: number
  readonly value: number
}

const OPEN = 1
const FIREWALL = 2
const FULL_CONE = 3
const RESTRICTED = 4
const PORT_RESTRICTED = 5
const SYMMETRIC = 6
const BLOCKED = 7

const NOT_APPLICABLE = 1
const EQUAL = 2
const PRESERVING = 3
const INDEPENDENT = 4
const DEPENDENT = 5
const RANDOM = 6

const coneOf: Readonly<Record<NatDependence | 'unknown', number>> = {
  'endpoint-independent': FULL_CONE,
  'address-dependent': RESTRICTED,
  'address-and-port-dependent': PORT_RESTRICTED,
  unknown: PORT_RESTRICTED
}

/**
 * A route's NAT in the numbers of seed 002. They describe one NAT for both protocols: mapping and ports are those of TCP, which connections
 * use, and what was not measured over TCP is taken from UDP. The numbers cannot say everything: what is unknown becomes 5 and 6, the
 * defaults of p2pd.md §2; a firewall of unknown or any kind becomes 2; ranges and steps below zero become 6.
 */
export function toP2pdNat({ tcp, udp }: Pick<NetworkRoute, 'tcp' | 'udp'>): P2pdNat {
  const { mapping, filtering, ports } = mergeBehaviours(tcp, udp)
  switch (mapping) {
    case 'none':
      return { nat: filtering === 'endpoint-independent' ? OPEN : FIREWALL, delta: NOT_APPLICABLE, value: 0 }
    case 'blocked':
      return { nat: BLOCKED, delta: RANDOM, value: 0 }
    case 'unknown':
      return { nat: PORT_RESTRICTED, ...deltaOf(ports) }
    case 'endpoint-independent':
      return { nat: coneOf[filtering], ...deltaOf(ports) }
    case 'address-dependent':
    case 'address-and-port-dependent':
      return { nat: SYMMETRIC, ...deltaOf(ports) }
  }
}

/**
 * What an address of seed 002 says of a NAT, in the terms of RFC 4787; the same holds for TCP and UDP then. What the numbers do not say is
 * `unknown`: the filtering of a symmetric NAT, everything of a blocked one.
 * @throws TypeError when a number is outside of what {@link P2pdNat} allows.
 */
export function fromP2pdNat({ nat, delta, value }: P2pdNat): NatBehaviour {
  if (!isIn(nat, OPEN, BLOCKED)) throw new TypeError(`A NAT type is a whole number from 1 to 7, not ${nat}`)
  if (!isIn(delta, NOT_APPLICABLE, RANDOM)) throw new TypeError(`A delta type is a whole number from 1 to 6, not ${delta}`)
  if (!isIn(value, 0, 65_535)) throw new TypeError(`A delta value is a whole number from 0 to 65535, not ${value}`)
  switch (nat) {
    case OPEN:
      return { mapping: 'none', filtering: 'endpoint-independent', ports: { kind: 'equal' } }
    case FIREWALL:
      return { mapping: 'none', filtering: 'address-and-port-dependent', ports: { kind: 'equal' } }
    case FULL_CONE:
      return { mapping: 'endpoint-independent', filtering: 'endpoint-independent', ports: portsOf(delta, value) }
    case RESTRICTED:
      return { mapping: 'endpoint-independent', filtering: 'address-dependent', ports: portsOf(delta, value) }
    case PORT_RESTRICTED:
      return { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent', ports: portsOf(delta, value) }
    case SYMMETRIC:
      return { mapping: 'address-and-port-dependent', filtering: 'unknown', ports: portsOf(delta, value) }
    default:
      return { mapping: 'blocked', filtering: 'unknown', ports: { kind: 'unknown' } }
  }
}

/** TCP's behaviour, completed from UDP's; blocked only when no protocol is known to get through. */
function mergeBehaviours(tcp: NatBehaviour, udp: NatBehaviour): NatBehaviour {
  if (!isMeasured(tcp)) return isMeasured(udp) || tcp.mapping === 'unknown' ? udp : tcp
  return {
    mapping: tcp.mapping,
    filtering: tcp.filtering === 'unknown' ? udp.filtering : tcp.filtering,
    ports: tcp.ports.kind === 'unknown' ? udp.ports : tcp.ports
  }
}

function isMeasured({ mapping }: NatBehaviour): boolean {
  return mapping !== 'unknown' && mapping !== 'blocked'
}

function deltaOf(ports: PortAllocation): { delta: number; value: number } {
  switch (ports.kind) {
    case 'equal':
      return { delta: EQUAL, value: 0 }
    case 'preserving':
      return { delta: PRESERVING, value: 0 }
    case 'independent':
    case 'dependent':
      if (!isIn(ports.delta, 0, 65_535)) return { delta: RANDOM, value: 0 }
      return { delta: ports.kind === 'independent' ? INDEPENDENT : DEPENDENT, value: ports.delta }
    default:
      return { delta: RANDOM, value: 0 }
  }
}

function portsOf(delta: number, value: number): PortAllocation {
  switch (delta) {
    case EQUAL:
      return { kind: 'equal' }
    case PRESERVING:
      return { kind: 'preserving' }
    case INDEPENDENT:
      return { kind: 'independent', delta: value }
    case DEPENDENT:
      return { kind: 'dependent', delta: value }
    case RANDOM:
      return { kind: 'random' }
    default:
      return { kind: 'unknown' }
  }
}

function isIn(value: number, low: number, high: number): boolean {
  return Number.isInteger(value) && value >= low && value <= high
}
