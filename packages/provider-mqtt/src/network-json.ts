import { isIPv4, isIPv6 } from 'node:net'
import type { NatBehaviour, NetworkFacts, NetworkRoute, PeerNetwork, PortAllocation } from '@kithmesh/core'
import { fieldsOf, integerOf, listOf, oneOf } from './json-fields.ts'

const mappings = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent', 'none', 'blocked', 'unknown'] as const
const filterings = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent', 'unknown'] as const
const allocations = ['equal', 'preserving', 'random', 'unknown', 'independent', 'dependent', 'range'] as const
/** Three interfaces for each of two families (seed 002). */
const maxRoutes = 6

/** What this device says of its network: zones of link-local addresses mean nothing elsewhere and are left out. */
export function networkToJson(facts: NetworkFacts, port: number): unknown {
  const routes = facts.routes.slice(0, maxRoutes).map((route) => ({
    interfaceIndex: route.interfaceIndex,
    family: route.family,
    localAddress: withoutZone(route.localAddress),
    ...(route.externalAddress === undefined ? {} : { externalAddress: withoutZone(route.externalAddress) }),
    tcp: route.tcp,
    udp: route.udp
  }))
  return { port, routes }
}

/** The routes that others take: one per interface and family, three interfaces at most; one that is wrong must not hide the device. */
export function publishableRoutes(routes: readonly NetworkRoute[]): NetworkRoute[] {
  const keys = new Set<string>()
  return routes.filter((route) => {
    const key = `${route.family} ${route.interfaceIndex}`
    try {
      routeFrom({
        ...route,
        localAddress: withoutZone(route.localAddress),
        externalAddress: route.externalAddress && withoutZone(route.externalAddress)
      })
    } catch {
      return false
    }
    return !keys.has(key) && keys.add(key)
  })
}

/** @throws RangeError for anything that is not a whole, consistent description */
export function networkFromJson(value: unknown): PeerNetwork {
  const network = fieldsOf(value, 'network')
  const routes = listOf(network['routes'], 'routes', maxRoutes).map(routeFrom)
  const keys = new Set(routes.map(({ family, interfaceIndex }) => `${family} ${interfaceIndex}`))
  if (keys.size !== routes.length) throw new RangeError('an interface appears twice')
  return { port: integerOf(network['port'], 'port', 0, 65_535), routes }
}

function routeFrom(value: unknown): NetworkRoute {
  const route = fieldsOf(value, 'route')
  const family = integerOf(route['family'], 'family', 4, 6)
  if (family === 5) throw new RangeError('family is neither 4 nor 6')
  const external = route['externalAddress']
  return {
    interfaceIndex: integerOf(route['interfaceIndex'], 'interfaceIndex', 0, 2),
    family: family as 4 | 6,
    localAddress: addressFrom(route['localAddress'], 'localAddress', family),
    externalAddress: external === undefined ? undefined : addressFrom(external, 'externalAddress', family),
    tcp: behaviourFrom(route['tcp']),
    udp: behaviourFrom(route['udp'])
  }
}

function addressFrom(value: unknown, name: string, family: number): string {
  if (typeof value !== 'string' || value.length > 45 || value.includes('%') || !(family === 4 ? isIPv4(value) : isIPv6(value)))
    throw new RangeError(`${name} is no IPv${family} address`)
  return value
}

function behaviourFrom(value: unknown): NatBehaviour {
  const behaviour = fieldsOf(value, 'NAT behaviour')
  return {
    mapping: oneOf(behaviour['mapping'], 'mapping', mappings),
    filtering: oneOf(behaviour['filtering'], 'filtering', filterings),
    ports: allocationFrom(behaviour['ports'])
  }
}

function allocationFrom(value: unknown): PortAllocation {
  const ports = fieldsOf(value, 'ports')
  const kind = oneOf(ports['kind'], 'kind', allocations)
  switch (kind) {
    case 'independent':
    case 'dependent':
      return { kind, delta: integerOf(ports['delta'], 'delta', -65_535, 65_535) }
    case 'range': {
      const low = integerOf(ports['low'], 'low', 0, 65_535)
      return { kind, low, high: integerOf(ports['high'], 'high', low, 65_535) }
    }
    default:
      return { kind }
  }
}

function withoutZone(address: string): string {
  const mark = address.indexOf('%')
  return mark === -1 ? address : address.slice(0, mark)
}
