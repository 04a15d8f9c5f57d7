/**
 * DNS-SD (Bonjour) discovery: peers of one link find each other by multicast DNS, without any server.
 * Implements RFC 6762 and RFC 6763 on sockets of its own; works with avahi and Bonjour.
 *
 * @example
 * ```ts
 * import { silentLogger, systemClock } from '@kithmesh/core'
 * import { dnssd } from '@kithmesh/provider-dnssd'
 *
 * // Usually: createPeerDiscovery({ peerGroupId, identity, providers: [dnssd()] }). By hand:
 * const provider = dnssd({ interfaces: ['lo'] }).create({
 *   peerGroupId: 'com.example.shop',
 *   localPeerId: 'a1'.repeat(32),
 *   logger: silentLogger,
 *   clock: systemClock,
 *   network: { current: { routes: [], measuredAt: 0 }, onChange: () => () => {} },
 *   statusChanged: (mode, { state }) => { console.log(mode, state) },
 *   peersFound: (peers) => { console.log('found', peers.map(({ id }) => id)) },
 *   peersLost: (ids) => { console.log('lost', ids) },
 *   metadataChanged: (id, metadata) => { console.log(id, metadata) },
 *   incomingConnection: () => false
 * })
 * await provider.startBrowsing()
 * await provider.startPublishing({ displayName: 'Shop', port: 4984, metadata: new Map() })
 * await provider.shutdown()
 * ```
 *
 * @packageDocumentation
 */
import { PROVIDER_CONTRACT_VERSION } from '@kithmesh/core'
import type { Clock, ProviderCapabilities, ProviderFactory } from '@kithmesh/core'
import { Engine } from './engine.ts'
import { checkOptions } from './options.ts'
import type { DnssdOptions } from './options.ts'
import { DnssdProvider } from './provider.ts'

export { dnssdErrors } from './errors.ts'
export { selectInterfaces } from './interfaces.ts'
export type { InterfaceChoice, LinkAddress, LinkInterface } from './interfaces.ts'
export { checkMulticast } from './multicast-check.ts'
export type { MulticastCheck, MulticastCheckOptions } from './multicast-check.ts'
export type { DnssdOptions } from './options.ts'

const capabilities: Readonly<ProviderCapabilities> = Object.freeze({
  publishes: true,
  metadata: true,
  metadataUpdates: true,
  reportsDisappearance: true,
  suppliesSocketFactory: false,
  incomingConnections: false
})

/**
 * Discovery by DNS-SD. Peers are services of the type `_couchbaseP2P._tcp` with the peer group as sub-type
 * (discovery-api.md §A7); their id is the full service name, their URL `wss://<host>.local:<port>/<databaseName>`.
 * Providers that one factory makes share their sockets.
 *
 * @throws TypeError for options that cannot work
 */
export function dnssd(options: DnssdOptions = {}): ProviderFactory {
  const checked = checkOptions(options)
  const engines = new Map<Clock, Engine>()
  return Object.freeze<ProviderFactory>({
    name: 'DNS-SD',
    contractVersion: PROVIDER_CONTRACT_VERSION,
    capabilities,
    create(context) {
      for (const [clock, engine] of engines) if (clock !== context.clock && !engine.inUse) engines.delete(clock)
      let engine = engines.get(context.clock)
      if (engine === undefined) engines.set(context.clock, (engine = new Engine(checked, context.clock, context.logger)))
      return new DnssdProvider(context, checked, engine)
    }
  })
}
