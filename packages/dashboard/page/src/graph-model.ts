// The mesh as nodes and lines, from a state. No DOM.
import type { DashboardDevice, DashboardState } from '@kithmesh/dashboard/contracts'
import { deviceName } from './format.ts'
import { isConnected } from './palette.ts'

export interface GraphNode {
  readonly id: string
  readonly name: string
  /** `self`: this device; `linked`: connected with it; `seen`: discovery knows it; `known`: others have told of it. */
  readonly kind: 'self' | 'linked' | 'seen' | 'known'
  readonly device: DashboardDevice | undefined
  /** It hangs together with this device. */
  readonly reached: boolean
}

export interface GraphEdge {
  /** The same for both directions. */
  readonly key: string
  readonly from: string
  readonly to: string
  /** `link`: one of this device's connections; `attempt`: one that is being made; `far`: between two others. */
  readonly kind: 'link' | 'attempt' | 'far'
  readonly device: DashboardDevice | undefined
}

export interface GraphModel {
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly GraphEdge[]
}

/** The graph of a state: this device first. Neighbours are told by the beginnings of their ids; one that fits nobody, or several, is left out. `nameOf` knows earlier names. */
export function graphOf(state: DashboardState, nameOf: (id: string) => string | undefined = () => undefined): GraphModel {
  const self = state.self.peerId
  const nodes = new Map<string, GraphNode>()
  nodes.set(self, { id: self, name: deviceName(state.self.displayName, self), kind: 'self', device: undefined, reached: true })
  const devices = new Map(state.devices.map((device) => [device.id, device]))
  for (const node of state.topology) {
    if (node.peerId === self) continue
    const device = devices.get(node.peerId)
    const connected = device !== undefined && isConnected(device)
    nodes.set(node.peerId, {
      id: node.peerId,
      name: deviceName(device?.displayName || node.displayName || (nameOf(node.peerId) ?? null), node.peerId),
      kind: connected ? 'linked' : device === undefined ? 'known' : 'seen',
      device,
      reached: connected || node.reached
    })
  }
  for (const device of state.devices) {
    if (nodes.has(device.id)) continue
    const connected = isConnected(device)
    nodes.set(device.id, {
      id: device.id,
      name: deviceName(device.displayName, device.id),
      kind: connected ? 'linked' : 'seen',
      device,
      reached: connected
    })
  }

  const edges = new Map<string, GraphEdge>()
  const add = (from: string, to: string, kind: GraphEdge['kind'], device?: DashboardDevice): void => {
    const key = from < to ? `${from} ${to}` : `${to} ${from}`
    if (from !== to && !edges.has(key)) edges.set(key, { key, from, to, kind, device })
  }
  for (const device of state.devices) {
    if (device.id === self) continue
    if (isConnected(device)) add(self, device.id, 'link', device)
    else if (device.state === 'connecting') add(self, device.id, 'attempt', device)
  }
  const find = prefixFinder([...nodes.keys()])
  for (const node of state.topology) {
    for (const neighbour of node.neighbours) {
      const other = find(neighbour)
      // What this device is linked with it knows better than the topology, which lags behind.
      if (other !== undefined && node.peerId !== self && other !== self && nodes.has(node.peerId)) add(node.peerId, other, 'far')
    }
  }
  return { nodes: [...nodes.values()], edges: [...edges.values()] }
}

/** Finds the one id that begins with a text. */
export function prefixFinder(ids: readonly string[]): (prefix: string) => string | undefined {
  const whole = new Set(ids)
  const sorted = [...whole].sort()
  return (prefix) => {
    if (whole.has(prefix)) return prefix
    if (prefix.length < 8) return undefined
    let low = 0
    let high = sorted.length
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sorted[middle] as string) < prefix) low = middle + 1
      else high = middle
    }
    const found = sorted[low]
    if (found === undefined || !found.startsWith(prefix) || sorted[low + 1]?.startsWith(prefix) === true) return undefined
    return found
  }
}

/** The node to go to from one with an arrow key: the nearest within a quarter circle around that direction. */
export function nodeTowards(
  from: { readonly x: number; readonly y: number },
  direction: 'up' | 'down' | 'left' | 'right',
  others: readonly { readonly id: string; readonly x: number; readonly y: number }[]
): string | undefined {
  const [ux, uy] = { up: [0, -1], down: [0, 1], left: [-1, 0], right: [1, 0] }[direction] as [number, number]
  let best: { readonly id: string; readonly distance: number } | undefined
  for (const { id, x, y } of others) {
    const along = (x - from.x) * ux + (y - from.y) * uy
    const across = Math.abs((x - from.x) * uy) + Math.abs((y - from.y) * ux)
    if (along <= 0.5 || across > along * 1.2) continue
    const distance = along + across * 2
    if (best === undefined || distance < best.distance) best = { id, distance }
  }
  return best?.id
}
