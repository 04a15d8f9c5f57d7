import { addressKind, formatEndpoint, samePrefix, type NetworkRoute, type PeerNetwork } from '@kithmesh/core/plugin'
import { MAX_ADDRESSES, type Endpoint } from './request.ts'

/** The other device's network address may be ours too, surely is, or surely is not. */
type Sharing = 'same' | 'unknown' | 'different'
type Chance = 'good' | 'unknown' | 'small'

export interface ReachableOptions {
  /** The port that this device accepts connections on. */
  readonly port: number
  /** The port at the external address that a router forwards to `port`. */
  readonly forwardedPort: number | undefined
}

export type Reachable =
  | { readonly usable: true; readonly rank: number /** Most promising first. */; readonly endpoints: readonly Endpoint[] }
  | { readonly usable: false; readonly reason: string }

/** Before hole punching at 40; after it when a router is known to stand in between and not known to let anything in. */
const RANKS: Readonly<Record<Chance, number>> = { good: 20, unknown: 30, small: 50 }

/**
 * At which addresses the other device could connect to this one: external ones where unsolicited connections get in or may, local ones
 * where both may be on one network. Pure.
 */
export function reachableEndpoints(own: readonly NetworkRoute[], peer: PeerNetwork, options: ReachableOptions): Reachable {
  const found = new Map<string, { readonly endpoint: Endpoint; readonly chance: Chance }>()
  const reasons = new Set<string>()
  for (const route of own) {
    const theirs = peer.routes.filter(({ family }) => family === route.family)
    const others = `IPv${route.family}`
    if (peer.routes.length > 0 && theirs.length === 0) reasons.add(`the other device has no ${others}`)
    else if (theirs.length > 0 && theirs.every(({ tcp }) => tcp.mapping === 'blocked'))
      reasons.add(`the other device gets no TCP connection out over ${others}`)
    else {
      const candidates = candidatesOf(route, theirs, options)
      if (typeof candidates === 'string') reasons.add(candidates)
      else
        for (const candidate of candidates) {
          const key = formatEndpoint(candidate.endpoint)
          const known = found.get(key)
          if (known === undefined || RANKS[candidate.chance] < RANKS[known.chance]) found.set(key, candidate)
        }
    }
  }
  const candidates = [...found.values()].sort((a, b) => RANKS[a.chance] - RANKS[b.chance]).slice(0, MAX_ADDRESSES)
  const [best] = candidates
  if (best !== undefined) return { usable: true, rank: RANKS[best.chance], endpoints: candidates.map(({ endpoint }) => endpoint) }
  return {
    usable: false,
    reason: reasons.size === 0 ? 'this device has no network address' : `nobody can connect to this device: ${[...reasons].join('; ')}`
  }
}

/** What to offer of one route, or why nothing. */
function candidatesOf(
  route: NetworkRoute,
  theirs: readonly NetworkRoute[],
  { port, forwardedPort }: ReachableOptions
): ReadonlyArray<{ readonly endpoint: Endpoint; readonly chance: Chance }> | string {
  const { family, localAddress, externalAddress } = route
  const sharing = sharingOf(route, theirs)
  const candidates: Array<{ endpoint: Endpoint; chance: Chance }> = []
  const outside = externalAddress ?? (addressKind(localAddress)?.kind === 'global' ? localAddress : undefined)
  const chance = forwardedPort === undefined || outside === undefined ? chanceFromOutside(route) : 'good'
  if (outside !== undefined && chance !== undefined)
    candidates.push({ endpoint: { address: outside, port: forwardedPort ?? port }, chance })
  if (sharing !== 'different' && meansSomething(localAddress, theirs))
    candidates.push({ endpoint: { address: localAddress, port }, chance: sharing === 'same' ? 'good' : 'unknown' })
  if (candidates.length > 0) return candidates
  if (sharing !== 'different') return `its IPv${family} address from outside is not known`
  return route.tcp.mapping === 'blocked'
    ? `IPv${family} does not get through with TCP`
    : `the ${route.tcp.mapping === 'none' ? 'firewall' : 'router'} lets no unsolicited IPv${family} connections in, and the other device is on another network`
}

/** Whether a connection that this device did not ask for reaches it from the internet; undefined when surely not (RFC 4787 §5). */
function chanceFromOutside({ tcp, udp }: NetworkRoute): Chance | undefined {
  if (tcp.mapping === 'blocked') return undefined
  switch (tcp.filtering) {
    case 'endpoint-independent':
      return 'good'
    case 'unknown':
      // A NAT forwards to a port that never sent anything only where somebody told it to, and filters of TCP and UDP are mostly alike.
      if (tcp.mapping !== 'none' && tcp.mapping !== 'unknown') return 'small'
      return udp.filtering === 'address-dependent' || udp.filtering === 'address-and-port-dependent' ? 'small' : 'unknown'
    default:
      return undefined
  }
}

function sharingOf(route: NetworkRoute, theirs: readonly NetworkRoute[]): Sharing {
  if (theirs.length === 0) return 'unknown'
  const judged = theirs.map((their) => {
    if (route.family === 6 && samePrefix(route.localAddress, their.localAddress, 64)) return 'same'
    if (route.externalAddress === undefined || their.externalAddress === undefined) return 'unknown'
    // IPv6 addresses are not shared by machines, so that different ones say only that the networks are different.
    return route.externalAddress === their.externalAddress ? 'same' : 'different'
  })
  return judged.find((each) => each === 'same') ?? judged.find((each) => each === 'unknown') ?? 'different'
}

/** Loopback addresses are of use only to a device that has no other either, on the same machine then. Zones mean nothing elsewhere. */
function meansSomething(address: string, theirs: readonly NetworkRoute[]): boolean {
  const kind = addressKind(address)?.kind
  if (kind === 'loopback') return theirs.some((their) => addressKind(their.localAddress)?.kind === 'loopback')
  return kind === 'global' || kind === 'private'
}
