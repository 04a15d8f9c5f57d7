import type { NetworkFacts } from './contracts/network.ts'
import type { Device, Peer, ResolvedUrl } from './contracts/peer.ts'
import type { ConnectTarget } from './contracts/transport.ts'

/** What one resolved sighting offers. */
export interface SightingTarget {
  /** For the dialers: without the addresses that may not be connected to. */
  readonly target: ConnectTarget
  readonly refused: ReadonlyArray<{ readonly address: string; readonly reason: string }>
}

/** @param facts.refuses why the device is not to be connected to at an address; null for a way that has none */
export function connectTarget(
  peer: Peer,
  resolved: ResolvedUrl,
  {
    device,
    localNetwork,
    refuses
  }: { readonly device: Device; readonly localNetwork: NetworkFacts; readonly refuses: (address: string | null) => string | undefined }
): SightingTarget {
  const refused = resolved.addresses.flatMap((address) => {
    const reason = refuses(address)
    return reason === undefined ? [] : [{ address, reason }]
  })
  const addresses = resolved.addresses.filter((address) => !refused.some((each) => each.address === address))
  const allowed = refused.length === 0 ? resolved : Object.freeze({ ...resolved, addresses: Object.freeze(addresses) })
  return { target: Object.freeze({ device, peer, resolved: allowed, localNetwork, refuses }), refused }
}
