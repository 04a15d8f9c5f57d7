import type { NatBehaviour, NetworkFacts, PeerNetwork } from '@kithmesh/core'

/** Rank of a relay: after everything that needs none. */
export const RELAY_RANK = 80
/** With the other device's relay or none at all. */
export const FOREIGN_RELAY_RANK = 90
/** When nothing else can work: early enough not to be waited for. */
export const ONLY_RELAY_RANK = 30

/** Takes connections from anywhere. */
const open = ({ mapping, filtering }: NatBehaviour): boolean =>
  filtering === 'endpoint-independent' && (mapping === 'none' || mapping === 'endpoint-independent')
/** Nobody can tell which port it will come from. */
const unpredictable = ({ mapping, ports }: NatBehaviour): boolean =>
  (mapping === 'address-and-port-dependent' || mapping === 'address-dependent') && ports.kind === 'random'
/** Takes only what comes from a port it has sent to. */
const strict = ({ filtering }: NatBehaviour): boolean => filtering === 'address-and-port-dependent'

/**
 * Whether only a relay can connect the two, as far as is known (nat-lab.md §4): on every way out one side is unpredictable and the other lets
 * nothing in that does not come from where it sent to. What is unknown may work.
 */
export function onlyRelay(local: NetworkFacts, remote: PeerNetwork): boolean {
  let compared = 0
  for (const ours of local.routes) {
    for (const theirs of remote.routes) {
      if (ours.family !== theirs.family) continue
      compared++
      if (ours.externalAddress !== undefined && ours.externalAddress === theirs.externalAddress) return false
      if (open(ours.tcp) || open(theirs.tcp)) return false
      if (ours.tcp.mapping === 'blocked' || theirs.tcp.mapping === 'blocked') continue
      if (!(unpredictable(ours.tcp) && strict(theirs.tcp)) && !(unpredictable(theirs.tcp) && strict(ours.tcp))) return false
    }
  }
  return compared > 0
}

/** The addresses that a device's connections come from, as far as is known. */
export function externalAddresses({ routes }: Pick<PeerNetwork, 'routes'>): string[] {
  return [...new Set(routes.flatMap(({ externalAddress }) => (externalAddress === undefined ? [] : [externalAddress])))]
}
