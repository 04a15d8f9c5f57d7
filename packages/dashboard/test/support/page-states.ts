import type { DashboardDevice, DashboardState, TopologyNode } from '@kithmesh/dashboard'

/** A peer id that ends in a name. */
export const peerId = (name: string): string => Buffer.from(name).toString('hex').padEnd(64, '0')

const nothing = { documentsIn: 0, documentsOut: 0, bytesIn: 0, bytesOut: 0 }

export function device(name: string, overrides: Partial<DashboardDevice> = {}): DashboardDevice {
  return {
    id: peerId(name),
    displayName: name,
    state: 'idle',
    since: 0,
    direction: 'outgoing',
    route: 'direct 192.168.1.4:4984',
    transport: 'direct',
    quality: 'direct',
    traffic: nothing,
    rate: nothing,
    error: null,
    sightings: [],
    trust: null,
    hasReport: false,
    ...overrides
  }
}

export const away = { route: null, transport: null, quality: null, direction: null } as const

export const topologyNode = (name: string, neighbours: readonly string[] = [], reached = true): TopologyNode => ({
  peerId: peerId(name),
  displayName: name,
  neighbours: neighbours.map(peerId),
  reached
})

/** The state of the device `self`. */
export function pageState(devices: readonly DashboardDevice[] = [], overrides: Partial<DashboardState> = {}): DashboardState {
  return {
    version: 1,
    at: 1000,
    startedAt: 1,
    title: 'Kithmesh',
    self: {
      peerId: peerId('self'),
      displayName: 'self',
      peerGroupId: 'com.example.page',
      meshState: 'started',
      port: 1234,
      databaseName: 'db',
      versioning: 'rev-trees'
    },
    devices,
    deviceCount: devices.length,
    topology: [],
    topologyCount: 0,
    pending: [],
    providers: [],
    transports: [],
    statistics: { ...nothing, conflicts: 0, rate: nothing },
    collections: [],
    conflicts: [],
    errors: [],
    refusals: [],
    network: { measuredAt: 0, routes: [] },
    ...overrides
  }
}
