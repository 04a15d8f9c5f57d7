/**
 * TCP hole punching: a direct connection between two devices behind NATs, set up through signalling, without a relay.
 *
 * @example
 * ```ts
 * import { createPeerDiscovery, type PeerDiscovery, type ProviderFactory } from '@kithmesh/core'
 * import { holePunch } from '@kithmesh/transport-holepunch'
 *
 * // The provider carries signals as well as sightings, as the MQTT provider does.
 * export function discoverAcrossNats (localPeerId: string, provider: ProviderFactory): PeerDiscovery {
 *   return createPeerDiscovery({
 *     peerGroupId: 'com.example.notes',
 *     localPeerId,
 *     providers: [provider],
 *     transports: [holePunch({ stun: ['stun:stun.example.org:3478'] })]
 *   })
 * }
 * ```
 * @packageDocumentation
 */
export { punchErrors } from './errors.ts'
export { holePunch } from './hole-punch.ts'
export type { HolePunchOptions } from './hole-punch.ts'
export type { BindTcp, PortRange, TcpMapping } from './mapping.ts'
export type { NetworkClockLike } from './parts.ts'
