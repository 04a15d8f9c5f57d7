import type { PeerNetwork } from '../contracts/network.ts'
import { invalidAddress } from './invalid-address.ts'
import { checkNumber } from './literals.ts'
import { checkRoutes, formatRoute, parseRoute } from './route-text.ts'

const MAX_ROUTE_LENGTH = 256

/** {@link PeerNetwork} as small JSON, for messages and announcements: the routes are texts as in {@link formatPeerAddress}. */
export interface PeerNetworkJson {
  readonly port: number
  readonly routes: readonly string[]
}

/** Pure. @throws ERR_ADDRESS_INVALID for what {@link peerNetworkFromJson} would refuse */
export function peerNetworkToJson({ port, routes }: PeerNetwork): PeerNetworkJson {
  checkNumber(port, 0, 65535, 'port', 'Port')
  checkRoutes(routes)
  return { port, routes: routes.map(formatRoute) }
}

/**
 * Reads what {@link peerNetworkToJson} made, from any parsed JSON, strictly. Pure.
 * @throws ERR_ADDRESS_INVALID; `details.problem` says which rule, see {@link AddressProblem}
 */
export function peerNetworkFromJson(json: unknown): PeerNetwork {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalidAddress('parts', 'The network is not a JSON object')
  const { port, routes, ...others } = json as Record<string, unknown>
  const [strange] = Object.keys(others)
  if (strange !== undefined) throw invalidAddress('parts', 'The network has other members than port and routes')
  if (typeof port !== 'number') throw invalidAddress('port', 'The port is not a number')
  if (!Array.isArray(routes) || routes.length > 6) throw invalidAddress('interface-count', 'The routes are not a list of at most 6')
  const network = {
    port: checkNumber(port, 0, 65535, 'port', 'Port'),
    routes: routes.map((route: unknown) => {
      if (typeof route !== 'string' || route.length > MAX_ROUTE_LENGTH)
        throw invalidAddress('interface', `A route is not a text of at most ${MAX_ROUTE_LENGTH} characters`)
      return parseRoute(route)
    })
  }
  checkRoutes(network.routes)
  return network
}
