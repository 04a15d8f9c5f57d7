import type { NatBehaviour } from '@kithmesh/core'
import { sameAddress } from '../codec/transport-address.ts'
import type { TransportAddress } from '../codec/transport-address.ts'

/** What came back when one server was asked to answer from elsewhere (RFC 5780 §4.4), from a local port that had contacted nothing else. */
export interface FilteringObservation {
  readonly server: string
  /** The one address and port that was contacted. */
  readonly contacted: TransportAddress
  /** Where answers came from. */
  readonly answeredFrom: readonly TransportAddress[]
  /**
   * Whether silence means something: the server has a second address and port, which are known to work, and did not refuse to answer from
   * there.
   */
  readonly capable: boolean
}

/**
 * Who may send to a mapping that is in use. An answer from an address, or port, that was not contacted proves that the NAT lets it pass, whoever
 * says so; silence proves the contrary only when the server could have answered. So the most permissive observation counts.
 */
export function classifyFiltering(observations: readonly FilteringObservation[]): NatBehaviour['filtering'] {
  const passed = (test: (from: TransportAddress, contacted: TransportAddress) => boolean): boolean =>
    observations.some(({ answeredFrom, contacted }) => answeredFrom.some((from) => test(from, contacted)))
  if (passed((from, contacted) => !sameAddress(from.address, contacted.address))) return 'endpoint-independent'
  const otherPort = passed((from, contacted) => from.port !== contacted.port)
  if (!observations.some(({ capable }) => capable)) return 'unknown'
  return otherPort ? 'address-dependent' : 'address-and-port-dependent'
}
