import { checkOptions, create } from './check-options.ts'
import type { PeerDiscoveryOptions } from './check-options.ts'
import type { PeerDiscovery } from './contracts/discovery.ts'
import type { PeerDiscoveryObserver } from './contracts/observer.ts'
import type { TransportStrategy } from './contracts/transport.ts'
import { Diagnostics } from './diagnostics.ts'
import { DiscoveredPeer } from './discovered-peer.ts'
import { withDeadline } from './deadline.ts'
import { allSettledOrThrow } from './internal/disposer.ts'
import { ClaimTable } from './incoming-claims.ts'
import { Injector } from './internal/injector.ts'
import {
  CLAIMS,
  CLOCK,
  DIAGNOSTICS,
  DISCOVERY,
  GUARD,
  HOSTS,
  LISTENING,
  LOGGER,
  NETWORK,
  OBSERVERS,
  OPTIONS,
  OWNER,
  REGISTRY,
  SIGNALING,
  STRATEGIES
} from './internal/tokens.ts'
import { NetworkWatch } from './network-view.ts'
import { ObserverSet } from './observer-set.ts'
import type { Mergers } from './observer-set.ts'
import { Discovery } from './peer-discovery.ts'
import { PeerRegistry } from './peer-registry.ts'
import { PeerTable } from './peer-table.ts'
import { HOST_DEADLINES, ProviderHost } from './provider-host.ts'
import { SignalingHub } from './signaling.ts'
import { AccessGuard } from './trust/access-guard.ts'
import { RateLimiter } from './trust/rate-limiter.ts'

/**
 * Composes a peer discovery out of providers and transports. Nothing is started yet.
 *
 * @throws ERR_PD_GROUP_ID, ERR_PD_PEER_ID, ERR_PD_NO_PROVIDERS, ERR_PD_INVALID_PROVIDER, ERR_PD_INVALID_TRANSPORT,
 * ERR_PD_CONTRACT_VERSION, ERR_PD_DUPLICATE_PROVIDER, ERR_PD_DUPLICATE_TRANSPORT, ERR_PD_CREATE_FAILED.
 *
 * @example
 * const discovery = createPeerDiscovery({ peerGroupId: 'com.example.shop', localPeerId, providers: [dnssd()], transports: [direct()] })
 */
export function createPeerDiscovery(options: PeerDiscoveryOptions): PeerDiscovery {
  const checked = checkOptions(options)
  const injector = new Injector()
    .value(OPTIONS, checked)
    .value(LOGGER, checked.logger)
    .value(CLOCK, checked.clock)
    .value(OWNER, new AbortController())
    .value(DIAGNOSTICS, new Diagnostics(checked))
    .factory(OBSERVERS, (parts) => new ObserverSet<PeerDiscoveryObserver>(parts.get(LOGGER), batches))
    .factory(GUARD, makeGuard)
    .factory(REGISTRY, makeRegistry)
    .value(LISTENING, { port: undefined })
    .factory(CLAIMS, makeClaims)
    .factory(NETWORK, makeNetwork)
    .factory(SIGNALING, makeSignaling)
    .factory(STRATEGIES, makeStrategies)
    .factory(HOSTS, makeHosts)
    .factory(
      DISCOVERY,
      (parts) =>
        new Discovery({
          options: parts.get(OPTIONS),
          owner: parts.get(OWNER),
          observers: parts.get(OBSERVERS),
          registry: parts.get(REGISTRY),
          strategies: parts.get(STRATEGIES),
          hosts: parts.get(HOSTS),
          network: parts.get(NETWORK),
          guard: parts.get(GUARD),
          claims: parts.get(CLAIMS),
          diagnostics: parts.get(DIAGNOSTICS),
          listening: parts.get(LISTENING),
          dispose: () => parts.dispose()
        })
    )
  try {
    return injector.get(DISCOVERY)
  } catch (error) {
    injector.dispose().catch((failure: unknown) => {
      checked.logger.warn('A plugin failed to shut down after a failed composition', { error: failure })
    })
    throw error
  }
}

/** Sightings that come in a row are told together. */
const batches: Mergers<PeerDiscoveryObserver> = {
  peersAdded: ([earlier], [later]) => [[...earlier, ...later]],
  peersRemoved: ([earlier], [later]) => [[...earlier, ...later]]
}

function makeGuard(injector: Injector): AccessGuard {
  const { access, acceptRate, peerGroupId } = injector.get(OPTIONS)
  const accepts = new RateLimiter({ clock: injector.get(CLOCK), perAddress: acceptRate })
  return new AccessGuard({ access, peerGroupId, accepts, logger: injector.get(LOGGER), diagnostics: injector.get(DIAGNOSTICS) })
}

/** Providers and their peers refer to each other; the host is looked up when a peer asks, long after the composition. */
function makeRegistry(injector: Injector): PeerRegistry {
  const { localPeerId } = injector.get(OPTIONS)
  const clock = injector.get(CLOCK)
  const host = (provider: string): ProviderHost => injector.get(HOSTS).find(({ name }) => name === provider) as ProviderHost
  const table = new PeerTable({
    localPeerId,
    createPeer: (provider, sighting) =>
      new DiscoveredPeer(
        {
          provider,
          clock,
          resolveUrl: (id, options) => host(provider).resolveUrl(id, options),
          monitorMetadata: (id, on) => {
            host(provider).monitorMetadata(id, on)
          }
        },
        sighting
      )
  })
  return new PeerRegistry({
    table,
    observers: injector.get(OBSERVERS),
    logger: injector.get(LOGGER),
    guard: injector.get(GUARD),
    diagnostics: injector.get(DIAGNOSTICS)
  })
}

function makeClaims(injector: Injector): ClaimTable {
  const claims = new ClaimTable(injector.get(CLOCK))
  injector.own(async () => {
    claims.close(injector.get(OWNER).signal.reason)
  })
  return claims
}

function makeNetwork(injector: Injector): NetworkWatch {
  const { network } = injector.get(OPTIONS)
  const clock = injector.get(CLOCK)
  const logger = injector.get(LOGGER)
  const context = Object.freeze({ clock, logger: logger.child(network?.name ?? 'network') })
  const watch = new NetworkWatch({ ...context, probe: network?.create(context) })
  injector.own(() => withDeadline(() => watch.close(), { clock, ms: HOST_DEADLINES.shutdownMs, what: 'Shutting down the network probe' }))
  return watch
}

function makeSignaling(injector: Injector): SignalingHub {
  const guard = injector.get(GUARD)
  const hub = new SignalingHub({
    clock: injector.get(CLOCK),
    logger: injector.get(LOGGER).child('signaling'),
    refuses: (peerId) => guard.refusesDevice(peerId)
  })
  injector.own(async () => {
    hub.close(injector.get(OWNER).signal.reason)
  })
  for (const host of injector.get(HOSTS)) {
    const channel = host.signalingChannel()
    if (channel !== undefined) hub.attach(channel)
  }
  return hub
}

function makeStrategies(injector: Injector): readonly TransportStrategy[] {
  const { transports, localPeerId } = injector.get(OPTIONS)
  const dialPolicy = injector.get(GUARD).dialPolicy(injector.get(OPTIONS).dialPolicy)
  const signaling = injector.get(SIGNALING)
  const network = injector.get(NETWORK)
  const claims = injector.get(CLAIMS)
  const listening = injector.get(LISTENING)
  const clock = injector.get(CLOCK)
  const strategies: TransportStrategy[] = []
  injector.own(() =>
    allSettledOrThrow(
      strategies.map(
        (strategy) => () =>
          withDeadline(() => strategy.shutdown(), { clock, ms: HOST_DEADLINES.shutdownMs, what: `Shutting down ${strategy.name}` })
      )
    )
  )
  for (const factory of transports) {
    const context = Object.freeze({
      localPeerId,
      clock,
      signaling,
      network,
      claims,
      dialPolicy,
      listeningPort: () => listening.port,
      logger: injector.get(LOGGER).child(factory.name)
    })
    strategies.push(create('transport', factory.name, () => factory.create(context)))
  }
  return Object.freeze(strategies)
}

function makeHosts(injector: Injector): readonly ProviderHost[] {
  const { providers, peerGroupId, localPeerId } = injector.get(OPTIONS)
  const hosts: ProviderHost[] = []
  injector.own(() => allSettledOrThrow(hosts.map((host) => () => host.shutdown())))
  for (const factory of providers) {
    hosts.push(
      new ProviderHost({
        factory,
        peerGroupId,
        localPeerId,
        clock: injector.get(CLOCK),
        network: injector.get(NETWORK),
        logger: injector.get(LOGGER).child(factory.name),
        owner: injector.get(OWNER).signal,
        events: injector.get(REGISTRY)
      })
    )
  }
  return Object.freeze(hosts)
}
