import type { Clock } from '../contracts/clock.ts'
import type { Logger } from '../contracts/logger.ts'
import type { PeerDiscoveryObserver } from '../contracts/observer.ts'
import type { TransportStrategy } from '../contracts/transport.ts'
import type { CheckedOptions } from '../check-options.ts'
import type { ClaimTable } from '../incoming-claims.ts'
import type { Diagnostics } from '../diagnostics.ts'
import type { NetworkWatch } from '../network-view.ts'
import type { ObserverSet } from '../observer-set.ts'
import type { Discovery } from '../peer-discovery.ts'
import type { PeerRegistry } from '../peer-registry.ts'
import type { ProviderHost } from '../provider-host.ts'
import type { SignalingHub } from '../signaling.ts'
import type { AccessGuard } from '../trust/access-guard.ts'
import type { Token } from './injector.ts'
import { token } from './injector.ts'

/** Private to each copy of this package, so an application's own registrations can never be picked up. */
export const OPTIONS: Token<CheckedOptions> = token('options')
export const LOGGER: Token<Logger> = token('logger')
export const CLOCK: Token<Clock> = token('clock')
/** Aborts at the shutdown. */
export const OWNER: Token<AbortController> = token('owner')
export const DIAGNOSTICS: Token<Diagnostics> = token('diagnostics')
export const OBSERVERS: Token<ObserverSet<PeerDiscoveryObserver>> = token('observers')
export const REGISTRY: Token<PeerRegistry> = token('peer registry')
export const GUARD: Token<AccessGuard> = token('access guard')
export const NETWORK: Token<NetworkWatch> = token('network watch')
export const SIGNALING: Token<SignalingHub> = token('signaling')
export const CLAIMS: Token<ClaimTable> = token('incoming claims')
/** The TCP port that the passive sides of the strategies accept connections on. */
export const LISTENING: Token<{ port: number | undefined }> = token('listening port')
export const STRATEGIES: Token<readonly TransportStrategy[]> = token('transport strategies')
export const HOSTS: Token<readonly ProviderHost[]> = token('provider hosts')
export const DISCOVERY: Token<Discovery> = token('peer discovery')
