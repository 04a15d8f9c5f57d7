/**
 * Reverse connections: a device that cannot be dialled is asked over signalling to dial this one.
 *
 * @example
 * ```ts
 * import { createPeerDiscovery, type PeerDiscovery, type ProviderFactory } from '@kithmesh/core'
 * import { direct } from '@kithmesh/transport-direct'
 * import { reverse } from '@kithmesh/transport-reverse'
 *
 * // `provider` must have signalling, as provider-mqtt has.
 * export function compose (localPeerId: string, provider: ProviderFactory): PeerDiscovery {
 *   return createPeerDiscovery({
 *     peerGroupId: 'com.example.shop',
 *     localPeerId,
 *     providers: [provider],
 *     // direct() has the port that the other device is asked to connect to.
 *     transports: [direct({ port: 4984 }), reverse({ forwardedPort: 14984 })]
 *   })
 * }
 * ```
 * @packageDocumentation
 */
export { reverseErrors } from './errors.ts'
export { reverse } from './reverse.ts'
export type { ReverseOptions } from './reverse.ts'
