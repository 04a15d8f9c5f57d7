import type { IncomingTrustPolicy, PacketKind } from '../contracts/trust.ts'

/** What a policy means where it says nothing. */
export const DEFAULT_TRUST_POLICY: Required<IncomingTrustPolicy> = Object.freeze({
  allowDefaultCommunication: true,
  allowEnhancedPacketExchange: false,
  runDefaultTrustProtocol: true
})

/** Which of the policy's permissions lets a packet of peers in that are not trusted. */
const PERMISSION: Readonly<Record<PacketKind, 'allowDefaultCommunication' | 'allowEnhancedPacketExchange'>> = Object.freeze({
  message: 'allowDefaultCommunication',
  disconnect: 'allowDefaultCommunication',
  identity: 'allowEnhancedPacketExchange',
  'peer-group': 'allowEnhancedPacketExchange',
  data: 'allowEnhancedPacketExchange'
})

/**
 * Whether a packet of a peer may be delivered: all of a trusted one, and otherwise what the policy lets in (p2pnet.md §4.1). Nothing may be
 * delivered of a blocked peer, which has no connection to send it over. Pure.
 * @throws TypeError for a kind that does not exist
 */
export function packetAllowed(kind: PacketKind, policy: IncomingTrustPolicy, trusted: boolean): boolean {
  const permission = Object.hasOwn(PERMISSION, kind) ? PERMISSION[kind] : undefined
  if (permission === undefined) throw new TypeError(`There are no packets of the kind ${JSON.stringify(kind)}`)
  return trusted || (policy[permission] ?? DEFAULT_TRUST_POLICY[permission])
}
