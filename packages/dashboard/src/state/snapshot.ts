import type { Device, ProviderMode } from '@kithmesh/core'
import type { MeshLink } from '@kithmesh/mesh'
import type {
  DashboardDevice,
  DashboardState,
  NetworkState,
  PendingDevice,
  ProviderModeState,
  ProviderState,
  TopologyNode,
  Traffic
} from '../contracts.ts'
import type { CheckedDashboardOptions } from '../options.ts'
import { clipped, problemOf } from '../problem.ts'
import type { Collections } from './collections.ts'
import type { Notices } from './notices.ts'
import type { Rates } from './rates.ts'

const maxDevices = 500
const maxNodes = 500
const maxNeighbours = 64
const maxPending = 100
const maxSightings = 8
const maxRoutes = 16
const maxName = 200
/** The key of all links together, among the device ids. */
const all = ''

/** Since when a device has been in its state. */
interface Standing {
  readonly state: string
  readonly since: number
}

/** Makes the snapshots that pages get, of what mesh, discovery and database say of themselves. */
export class Snapshots {
  readonly #options: CheckedDashboardOptions
  readonly #rates: Rates
  readonly #notices: Notices
  readonly #collections: Collections
  readonly #startedAt: number
  #standings: ReadonlyMap<string, Standing> = new Map()

  constructor(
    options: CheckedDashboardOptions,
    parts: { readonly rates: Rates; readonly notices: Notices; readonly collections: Collections }
  ) {
    this.#options = options
    this.#rates = parts.rates
    this.#notices = parts.notices
    this.#collections = parts.collections
    this.#startedAt = options.clock.now()
  }

  /** Everything, as it is now. */
  take(): DashboardState {
    const { mesh, discovery, database, clock, title, displayName } = this.#options
    const at = clock.now()
    const { links, topology } = mesh
    this.#sample(links)
    this.#note(links, at)
    return {
      version: 1,
      at,
      startedAt: this.#startedAt,
      title,
      self: {
        peerId: discovery.localPeerId,
        displayName,
        peerGroupId: discovery.peerGroupId,
        meshState: mesh.state,
        port: mesh.port ?? null,
        databaseName: database.name,
        versioning: database.versioning
      },
      devices: shown(links).map((link) => this.#device(link, at)),
      deviceCount: links.length,
      topology: topology.slice(0, maxNodes).map(
        ({ peerId, displayName: name, neighbours, reached }): TopologyNode => ({
          peerId,
          displayName: peerId === discovery.localPeerId ? displayName : name === undefined ? null : clipped(name, maxName),
          neighbours: neighbours.slice(0, maxNeighbours),
          reached
        })
      ),
      topologyCount: topology.length,
      pending: mesh.pending.current
        .slice(0, maxPending)
        .map(
          ({ peer, since }): PendingDevice => ({ peerId: peer.peerId, name: clipped(peer.name, maxName), address: peer.address, since })
        ),
      providers: this.#providers(),
      transports: discovery.transports,
      statistics: { ...mesh.statistics, rate: this.#rates.of(all) },
      collections: this.#collections.list,
      conflicts: this.#notices.conflicts,
      errors: this.#notices.errors,
      refusals: this.#notices.refusals,
      network: this.#network()
    }
  }

  #sample(links: readonly MeshLink[]): void {
    const totals = new Map<string, Traffic>([[all, this.#options.mesh.statistics]])
    for (const { deviceId, traffic } of links) if (traffic.documentsIn + traffic.documentsOut > 0) totals.set(deviceId, traffic)
    this.#rates.sample(totals)
  }

  #note(links: readonly MeshLink[], at: number): void {
    const before = this.#standings
    this.#standings = new Map(
      links.map(({ deviceId, state }) => {
        const known = before.get(deviceId)
        return [deviceId, known?.state === state ? known : { state, since: at }]
      })
    )
  }

  #device(link: MeshLink, at: number): DashboardDevice {
    const { deviceId, displayName, state, direction, route, quality, error, traffic } = link
    const { mesh, discovery } = this.#options
    const device: Device | undefined = discovery.deviceWithId(deviceId)
    return {
      id: deviceId,
      displayName: clipped(displayName, maxName),
      state,
      since: this.#standings.get(deviceId)?.since ?? at,
      direction: direction ?? null,
      route: route === undefined ? null : clipped(route, maxName),
      transport: route === undefined ? null : clipped(route.split(' ')[0] ?? '', maxName),
      quality: quality ?? null,
      traffic: trafficOf(traffic),
      rate: this.#rates.of(deviceId),
      error: error === undefined ? null : problemOf(error),
      sightings: (device?.peers ?? []).slice(0, maxSightings).map((peer) => ({
        provider: peer.provider,
        displayName: clipped(peer.displayName, maxName),
        connectable: peer.connectable
      })),
      trust: mesh.knownPeers.get(deviceId)?.level ?? null,
      hasReport: discovery.explain(deviceId) !== undefined
    }
  }

  #providers(): readonly ProviderState[] {
    const { discovery } = this.#options
    const counts = new Map<string, number>()
    for (const { provider } of discovery.peers) counts.set(provider, (counts.get(provider) ?? 0) + 1)
    return discovery.providers.map((name) => ({
      name,
      browse: this.#mode(name, 'browse'),
      publish: this.#mode(name, 'publish'),
      sightings: counts.get(name) ?? 0
    }))
  }

  #mode(provider: string, mode: ProviderMode): ProviderModeState {
    const status = this.#options.discovery.status(provider, mode)
    return { state: status.state, error: status.state === 'failed' ? problemOf(status.error) : null }
  }

  #network(): NetworkState {
    const { routes, measuredAt } = this.#options.discovery.network.current
    return {
      measuredAt,
      routes: routes.slice(0, maxRoutes).map(({ family, localAddress, externalAddress, tcp, udp }) => ({
        family,
        localAddress,
        externalAddress: externalAddress ?? null,
        tcp: tcp.mapping,
        udp: udp.mapping
      }))
    }
  }
}

/** Where there are too many, those with a connection stay, in the order in which they come. */
function shown(links: readonly MeshLink[]): readonly MeshLink[] {
  if (links.length <= maxDevices) return links
  const connected = links.filter(({ route }) => route !== undefined).slice(0, maxDevices)
  return [...connected, ...links.filter(({ route }) => route === undefined).slice(0, maxDevices - connected.length)]
}

function trafficOf({ documentsIn, documentsOut, bytesIn, bytesOut }: Traffic): Traffic {
  return { documentsIn, documentsOut, bytesIn, bytesOut }
}
