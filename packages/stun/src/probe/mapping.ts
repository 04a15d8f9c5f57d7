import type { NatBehaviour } from '@kithmesh/core'
import { canonicalAddress, formatTransportAddress, sameAddress, sameTransportAddress } from '../codec/transport-address.ts'
import type { TransportAddress } from '../codec/transport-address.ts'
import { whyIncredible } from './credibility.ts'

/** What a server said of a packet from the one local port that all observations of a mapping come from. */
export interface MappingObservation {
  /** The server as it was configured; its second address counts as the same server. */
  readonly server: string
  /** Where the request went. */
  readonly target: TransportAddress
  /** Where the server saw it come from. */
  readonly mapped: TransportAddress
}

/** A server that is not believed, for this reason: "it names …". */
export interface DistrustedServer {
  readonly server: string
  readonly mapped: TransportAddress
  readonly reason: string
}

export interface MappingVerdict {
  readonly mapping: NatBehaviour['mapping']
  /** The address that the servers see; undefined while unknown. */
  readonly externalAddress: string | undefined
  /** Of the one local port: what the servers that are believed saw, in the order of the observations. */
  readonly believed: readonly MappingObservation[]
  readonly distrusted: readonly DistrustedServer[]
}

/**
 * What a NAT's mappings depend on (RFC 5780 §4.3), from what several servers, or several addresses of one, said of one local port.
 *
 * - Servers that name an address they cannot have seen, or another than most do, are left out. Where no address has a majority, nothing is
 *   known.
 * - A server alone against most, that agree on the port too, is left out likewise: NATs with a port for each destination do not agree by chance.
 * - One destination tells only whether there is a NAT at all: the rule is `unknown` then, except where the address is the local one.
 * - Where ports differ between addresses and no address was asked on two ports, the rule counts as address and port dependent: nothing may be
 *   expected of such a mapping.
 */
export function classifyMapping(local: TransportAddress, observations: readonly MappingObservation[]): MappingVerdict {
  const distrusted: DistrustedServer[] = []
  const distrust = (observation: MappingObservation, reason: string): void => {
    if (!distrusted.some(({ server }) => server === observation.server))
      distrusted.push({ server: observation.server, mapped: observation.mapped, reason })
  }
  for (const observation of observations) {
    const reason = whyIncredible(observation.mapped, observation.target)
    if (reason !== undefined) distrust(observation, reason)
  }
  const trusted = (): MappingObservation[] => observations.filter(({ server }) => !distrusted.some((entry) => entry.server === server))

  const address = majority(votes(trusted(), ({ mapped }) => canonicalAddress(mapped.address)))
  if (address === undefined) return { mapping: 'unknown', externalAddress: undefined, believed: [], distrusted }
  for (const observation of trusted())
    if (!sameAddress(observation.mapped.address, address)) distrust(observation, `it names another address than most do, ${address}`)

  const endpointVotes = votes(trusted(), ({ mapped }) => formatTransportAddress(mapped))
  const endpoint = endpointVotes.size >= 3 ? majority(endpointVotes) : undefined
  if (endpoint !== undefined && isSeenFromTwoAddresses(trusted(), endpoint)) {
    for (const observation of trusted())
      if (formatTransportAddress(observation.mapped) !== endpoint) distrust(observation, `it names another port than most do, ${endpoint}`)
  }
  const believed = trusted()
  return { mapping: ruleOf(local, believed), externalAddress: address, believed, distrusted }
}

/** What each server says; one that says several things says nothing. */
function votes(
  observations: readonly MappingObservation[],
  of: (observation: MappingObservation) => string
): Map<string, string | undefined> {
  const said = new Map<string, string | undefined>()
  for (const observation of observations) {
    const vote = of(observation)
    said.set(observation.server, !said.has(observation.server) || said.get(observation.server) === vote ? vote : undefined)
  }
  return said
}

/** What more than half say. */
function majority(said: ReadonlyMap<string, string | undefined>): string | undefined {
  const counts = new Map<string, number>()
  for (const vote of said.values()) if (vote !== undefined) counts.set(vote, (counts.get(vote) ?? 0) + 1)
  for (const [vote, count] of counts) if (2 * count > said.size) return vote
  return undefined
}

function isSeenFromTwoAddresses(observations: readonly MappingObservation[], endpoint: string): boolean {
  const targets = observations.filter(({ mapped }) => formatTransportAddress(mapped) === endpoint).map(({ target }) => target.address)
  return targets.some((target) => !sameAddress(target, targets[0] ?? target))
}

function ruleOf(local: TransportAddress, observations: readonly MappingObservation[]): NatBehaviour['mapping'] {
  const [first] = observations
  if (first === undefined) return 'unknown'
  if (observations.every(({ mapped }) => sameTransportAddress(mapped, local))) return 'none'
  let differsBetweenAddresses = false
  let comparedAddresses = false
  let comparedPorts = false
  for (const [index, a] of observations.entries()) {
    for (const b of observations.slice(index + 1)) {
      if (sameTransportAddress(a.target, b.target)) continue
      const same = sameTransportAddress(a.mapped, b.mapped)
      if (!sameAddress(a.target.address, b.target.address)) {
        comparedAddresses = true
        differsBetweenAddresses ||= !same
      } else if (same) comparedPorts = true
      else return 'address-and-port-dependent'
    }
  }
  if (differsBetweenAddresses) return comparedPorts ? 'address-dependent' : 'address-and-port-dependent'
  return comparedAddresses ? 'endpoint-independent' : 'unknown'
}
