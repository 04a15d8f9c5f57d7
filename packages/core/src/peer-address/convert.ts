import type { NetworkRoute } from '../contracts/network.ts'
import { isPeerId } from '../peer-id.ts'
import { invalidAddress } from './invalid-address.ts'
import { formatP2pdAddress, type P2pdAddress, type P2pdInterface } from './p2pd-address.ts'
import { fromP2pdNat, toP2pdNat } from './p2pd-nat.ts'
import { checkBroker, formatPeerAddress, type PeerAddress } from './peer-address.ts'
import { formatBehaviour } from './route-text.ts'

const MAX_SERVERS = 2

/** An address in the other form. */
export interface ConvertedAddress<Address> {
  readonly address: Address
  /** What the other form cannot say, one sentence each for people; empty when converting back gives the same address. */
  readonly losses: readonly string[]
}

export interface ToP2pdOptions {
  /** URLs of the MQTT servers that both sides know, in the order of the offsets. */
  readonly servers: readonly string[]
}

export interface FromP2pdOptions extends ToP2pdOptions {
  /** Whose address it is, needed when the node id is no peer id. */
  readonly peerId?: string
}

/**
 * Says an address in the form of P2PD 2.1. The node id is the peer id, which fits; servers become positions in a list that the reader must
 * have too; of NATs remains what P2PD has numbers for (p2pd.md §2). Pure.
 * @throws ERR_ADDRESS_INVALID when nothing usable would remain: no broker of the list, no route with an external address, or no port
 */
export function toP2pdAddress(address: PeerAddress, { servers }: ToP2pdOptions): ConvertedAddress<P2pdAddress> {
  formatPeerAddress(address)
  const converted = toP2pd(address, servers)
  formatP2pdAddress(converted, { serverCount: servers.length })
  return { address: converted, losses: lossesOf(address, fromP2pd(converted, servers, address.peerId)) }
}

/**
 * Says an address of P2PD 2.1 in our own form. What P2PD knows of a NAT holds for TCP and UDP alike. Pure.
 * @throws ERR_ADDRESS_INVALID for an offset beyond the list, and when nobody says whose address it is
 */
export function fromP2pdAddress(address: P2pdAddress, { servers, peerId }: FromP2pdOptions): ConvertedAddress<PeerAddress> {
  formatP2pdAddress(address, { serverCount: servers.length })
  const owner = isPeerId(address.nodeId) ? address.nodeId : peerId
  if (owner === undefined)
    throw invalidAddress('id', `The node id "${address.nodeId}" is no peer id`, 'Say with the option peerId whose address it is.')
  const converted = fromP2pd(address, servers, owner)
  formatPeerAddress(converted)
  return { address: converted, losses: p2pdLossesOf(address, toP2pd(converted, servers)) }
}

function toP2pd({ peerId, brokers, network }: PeerAddress, servers: readonly string[]): P2pdAddress {
  const serverOffsets = brokers
    .map((broker) => servers.indexOf(broker))
    .filter((offset) => offset !== -1)
    .slice(0, MAX_SERVERS)
  if (serverOffsets.length === 0) throw invalidAddress('conversion', 'None of the brokers is in the list of servers')
  if (network.port === 0) throw invalidAddress('conversion', 'The device listens on no port, which this form requires')
  const family = (wanted: 4 | 6): P2pdInterface[] =>
    network.routes.flatMap((route) => (route.family === wanted ? toInterface(route, network.port) : []))
  const ipv4 = family(4)
  const ipv6 = family(6)
  if (ipv4.length + ipv6.length === 0) throw invalidAddress('conversion', 'No external address is known, which this form requires')
  return { serverOffsets, ipv4, ipv6, nodeId: peerId }
}

function toInterface(route: NetworkRoute, port: number): P2pdInterface[] {
  const { interfaceIndex, externalAddress, localAddress } = route
  if (externalAddress === undefined) return []
  const { nat, delta, value } = toP2pdNat(route)
  return [{ interfaceIndex, externalAddress, internalAddress: localAddress.replace(/%.*$/, ''), port, nat, delta, deltaValue: value }]
}

function fromP2pd({ serverOffsets, ipv4, ipv6 }: P2pdAddress, servers: readonly string[], peerId: string): PeerAddress {
  const brokers = serverOffsets.map((offset) => servers[offset] as string)
  for (const broker of brokers) checkBroker(broker)
  const route = (family: 4 | 6, each: P2pdInterface): NetworkRoute => {
    const { interfaceIndex, internalAddress, externalAddress, nat, delta, deltaValue } = each
    const behaviour = fromP2pdNat({ nat, delta, value: deltaValue })
    return { interfaceIndex, family, localAddress: internalAddress, externalAddress, tcp: behaviour, udp: behaviour }
  }
  const { port } = [...ipv4, ...ipv6][0] as P2pdInterface
  return {
    peerId,
    brokers,
    network: { port, routes: [...ipv4.map((each) => route(4, each)), ...ipv6.map((each) => route(6, each))] }
  }
}

function lossesOf(before: PeerAddress, after: PeerAddress): string[] {
  const losses = before.brokers
    .filter((broker) => !after.brokers.includes(broker))
    .map((broker) => `The broker ${broker} is left out: it is not in the list of servers, or two are before it`)
  for (const route of before.network.routes) {
    const { interfaceIndex, family, tcp, udp } = route
    const name = `Interface ${interfaceIndex}, IPv${family}`
    const left = after.network.routes.find((each) => each.interfaceIndex === interfaceIndex && each.family === family)
    if (left === undefined) {
      losses.push(`${name} is left out: its external address is not known`)
      continue
    }
    for (const [protocol, was, is] of [
      ['TCP', formatBehaviour(tcp), formatBehaviour(left.tcp)],
      ['UDP', formatBehaviour(udp), formatBehaviour(left.udp)]
    ] as const)
      if (was !== is) losses.push(`${name}: the NAT for ${protocol} is ${was} and reads ${is} afterwards`)
  }
  return losses
}

function p2pdLossesOf(before: P2pdAddress, after: P2pdAddress): string[] {
  const losses: string[] = []
  if (before.nodeId !== after.nodeId) losses.push(`The node id ${before.nodeId} is replaced by the peer id`)
  if (before.serverOffsets.join() !== after.serverOffsets.join())
    losses.push('A server is in the list more than once, and becomes the first of them')
  for (const family of ['ipv4', 'ipv6'] as const)
    for (const [index, was] of before[family].entries()) {
      const is = after[family][index] as P2pdInterface
      const name = `Interface ${was.interfaceIndex}, IP${family.slice(2)}`
      if (was.port !== is.port) losses.push(`${name}: its port ${was.port} becomes ${is.port}, as there is one for all`)
      const [from, to] = [was, is].map(({ nat, delta, deltaValue }) => `NAT ${nat}, delta ${delta}, value ${deltaValue}`)
      if (from !== to) losses.push(`${name}: ${from} reads ${to} afterwards`)
    }
  return losses
}
