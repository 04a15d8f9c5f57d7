/**
 * Connections to devices that nothing else connects, through a TURN relay.
 *
 * @example
 * ```ts
 * import { createPeerDiscovery } from '@kithmesh/core'
 * import type { ProviderFactory } from '@kithmesh/core'
 * import { turn } from '@kithmesh/transport-turn'
 *
 * export function discover (localPeerId: string, mqtt: ProviderFactory) {
 *   const relay = turn({ servers: [{ url: 'turn:relay.example.com', username: 'me', credential: 'secret' }] })
 *   return createPeerDiscovery({ peerGroupId: 'com.example.app', localPeerId, providers: [mqtt], transports: [relay] })
 * }
 * ```
 * @packageDocumentation
 */
export { turnErrors } from './errors.ts'
export { probeTurnServer } from './probe-turn-server.ts'
export type { ProbeTurnServerOptions, TurnProbe } from './probe-turn-server.ts'
export { turn } from './turn.ts'
export type { TurnOptions } from './turn.ts'
export type { TurnServer } from './ways.ts'
