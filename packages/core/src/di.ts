/**
 * For applications that already have a tsyringe container, or one like it: registers a peer discovery there.
 *
 * @example
 * ```ts
 * import { PEER_DISCOVERY, registerPeerDiscovery } from '@kithmesh/core/di'
 * import type { DependencyRegistry, PeerDiscovery, PeerDiscoveryOptions } from '@kithmesh/core/di'
 *
 * export function compose (container: DependencyRegistry & { resolve(token: symbol): unknown }, options: PeerDiscoveryOptions): PeerDiscovery {
 *   registerPeerDiscovery(container, options)
 *   return container.resolve(PEER_DISCOVERY) as PeerDiscovery
 * }
 * ```
 *
 * @packageDocumentation
 */
import type { PeerDiscoveryOptions } from './check-options.ts'
import type { PeerDiscovery } from './contracts/discovery.ts'
import { createPeerDiscovery } from './create-peer-discovery.ts'

export type { PeerDiscovery, PeerDiscoveryOptions }

/** The token under which the peer discovery is registered; the same in every copy of this package. */
export const PEER_DISCOVERY: symbol = Symbol.for('@kithmesh/core/PeerDiscovery')

/** The part of a tsyringe `DependencyContainer` that is used, so that no particular copy of tsyringe is needed. */
export interface DependencyRegistry {
  register(token: symbol, provider: { useFactory(): unknown }): unknown
}

/**
 * Registers one peer discovery, made when it is first resolved; every resolution gives the same.
 * @returns shuts it down, if it was made; containers do not do that for what factories make.
 * @throws what `createPeerDiscovery` throws, at the first resolution.
 */
export function registerPeerDiscovery(container: DependencyRegistry, options: PeerDiscoveryOptions): () => Promise<void> {
  let discovery: PeerDiscovery | undefined
  container.register(PEER_DISCOVERY, { useFactory: () => (discovery ??= createPeerDiscovery(options)) })
  return async () => {
    await discovery?.shutdown()
  }
}
