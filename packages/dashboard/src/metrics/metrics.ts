import type { MeshLink } from '@kithmesh/mesh'
import type { CheckedDashboardOptions } from '../options.ts'
import { clipped } from '../problem.ts'
import type { Collections } from '../state/collections.ts'
import type { Counters } from '../state/counters.ts'
import type { Metric, Sample } from './exposition.ts'

const linkStates = ['standby', 'waiting', 'connecting', 'offline', 'busy', 'idle', 'restricted', 'quarantined'] as const
const maxDevices = 100
const maxCollections = 50
const maxLabel = 100

export interface MetricsParts {
  readonly counters: Counters
  readonly collections: Collections
  /** Pages and other readers of events. */
  readonly readers: () => number
}

/**
 * Everything that `/metrics` tells; names and labels are documented in docs/dashboard.md and stay. How many values a label has is bounded: by what this
 * device is configured with, or by a limit.
 */
export function meshMetrics(options: CheckedDashboardOptions, { counters, collections, readers }: MetricsParts): readonly Metric[] {
  const { mesh, discovery, displayName } = options
  const { links, statistics, topology } = mesh
  const info = { peer_id: discovery.localPeerId, peer_group: discovery.peerGroupId, name: clipped(displayName, maxLabel) }
  return [
    gauge('kithmesh_device_info', 'This device; always 1.', [{ labels: info, value: 1 }]),
    gauge('kithmesh_mesh_started', '1 while the mesh runs.', [{ value: mesh.state === 'started' ? 1 : 0 }]),
    gauge('kithmesh_links', 'Devices that are known, by the state of the link with them.', linkSamples(links)),
    gauge('kithmesh_connections', 'Devices that are connected, by how.', connectionSamples(options, links)),
    gauge('kithmesh_topology_devices', 'Devices of the mesh that gossip tells of, this one included.', [
      { labels: { reached: 'true' }, value: topology.filter(({ reached }) => reached).length },
      { labels: { reached: 'false' }, value: topology.filter(({ reached }) => !reached).length }
    ]),
    gauge('kithmesh_pending_devices', 'Devices that wait to be let in.', [{ value: mesh.pending.current.length }]),
    counter('kithmesh_documents_total', 'Documents that moved, over all links.', [
      { labels: { direction: 'in' }, value: statistics.documentsIn },
      { labels: { direction: 'out' }, value: statistics.documentsOut }
    ]),
    counter('kithmesh_document_bytes_total', 'Bytes of document bodies and blobs that moved, over all links.', [
      { labels: { direction: 'in' }, value: statistics.bytesIn },
      { labels: { direction: 'out' }, value: statistics.bytesOut }
    ]),
    counter('kithmesh_document_failures_total', 'Documents that could not be moved and are not tried again by themselves.', [
      { value: counters.documentsFailed }
    ]),
    counter('kithmesh_conflicts_resolved_total', 'Conflicts that this device decided.', [{ value: statistics.conflicts }]),
    counter('kithmesh_conflicts_undecided_total', 'Conflicts that this device could not decide.', [{ value: counters.conflictsUndecided }]),
    ...deviceMetrics(links),
    counter('kithmesh_connection_attempts_total', 'Attempts to connect to a device, by what came of them.', [
      { labels: { result: 'connected' }, value: counters.connected },
      { labels: { result: 'failed' }, value: counters.connectionsFailed }
    ]),
    counter('kithmesh_refusals_total', 'Devices that were turned away, by whom.', [
      { labels: { by: 'us' }, value: counters.refusedByUs },
      { labels: { by: 'them' }, value: counters.refusedByThem }
    ]),
    gauge('kithmesh_provider_up', '1 while a provider works.', providerSamples(options)),
    counter('kithmesh_provider_failures_total', 'How often a provider failed.', [{ value: counters.providerFailures }]),
    gauge('kithmesh_provider_sightings', 'Sightings that each provider has.', sightingSamples(options)),
    gauge(
      'kithmesh_collection_documents',
      'Documents that are not deleted; of the first 50 collections.',
      collections.list.slice(0, maxCollections).map(({ collection, documents }) => ({ labels: { collection }, value: documents }))
    ),
    gauge('kithmesh_dashboard_readers', 'Open pages of the dashboard, and other readers of its events.', [{ value: readers() }])
  ]
}

function gauge(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, type: 'gauge', help, samples }
}

function counter(name: string, help: string, samples: readonly Sample[]): Metric {
  return { name, type: 'counter', help, samples }
}

function linkSamples(links: readonly MeshLink[]): Sample[] {
  return linkStates.map((state) => ({ labels: { state }, value: links.filter((link) => link.state === state).length }))
}

/** Members at fixed places have routes that begin with a URL: they are `other`. */
function connectionSamples({ discovery }: CheckedDashboardOptions, links: readonly MeshLink[]): Sample[] {
  const known = new Set([...discovery.transports, ...discovery.providers])
  const counts = new Map<string, { readonly labels: Record<string, string>; value: number }>()
  for (const { route, direction, quality } of links) {
    if (route === undefined || direction === undefined || quality === undefined) continue
    const first = route.split(' ')[0] ?? ''
    const labels = { transport: known.has(first) ? first : 'other', direction, quality }
    const key = Object.values(labels).join(' ')
    const sample = counts.get(key) ?? { labels, value: 0 }
    sample.value++
    counts.set(key, sample)
  }
  return [...counts.values()]
}

/** Of those with the most traffic; names, which others choose, are no labels. */
function deviceMetrics(links: readonly MeshLink[]): Metric[] {
  const moved = links
    .filter(({ traffic }) => traffic.documentsIn + traffic.documentsOut > 0)
    .sort((a, b) => b.traffic.bytesIn + b.traffic.bytesOut - a.traffic.bytesIn - a.traffic.bytesOut)
    .slice(0, maxDevices)
  const samples = (one: 'documentsIn' | 'bytesIn', other: 'documentsOut' | 'bytesOut'): Sample[] =>
    moved.flatMap(({ deviceId, traffic }) => {
      const device = deviceId.slice(0, 16)
      return [
        { labels: { device, direction: 'in' }, value: traffic[one] },
        { labels: { device, direction: 'out' }, value: traffic[other] }
      ]
    })
  const which = 'by device (16 digits of its id); of the 100 with the most'
  return [
    counter('kithmesh_device_documents_total', `Documents that moved, ${which}.`, samples('documentsIn', 'documentsOut')),
    counter('kithmesh_device_bytes_total', `Bytes of document bodies and blobs that moved, ${which}.`, samples('bytesIn', 'bytesOut'))
  ]
}

function providerSamples({ discovery }: CheckedDashboardOptions): Sample[] {
  return discovery.providers.flatMap((provider) =>
    (['browse', 'publish'] as const).map((mode) => ({
      labels: { provider, mode },
      value: discovery.status(provider, mode).state === 'online' ? 1 : 0
    }))
  )
}

function sightingSamples({ discovery }: CheckedDashboardOptions): Sample[] {
  const counts = new Map(discovery.providers.map((provider) => [provider, 0]))
  for (const { provider } of discovery.peers) counts.set(provider, (counts.get(provider) ?? 0) + 1)
  return [...counts].map(([provider, value]) => ({ labels: { provider }, value }))
}
