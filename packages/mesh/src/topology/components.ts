import { type TopologyRecord, linkRank } from './topology-record.ts'

/** The graph that gossip draws. */
export interface TopologyGraph {
  readonly own: TopologyRecord
  /** The newest record of a device. */
  record(key: string): TopologyRecord | undefined
  /** A record so young that what it says of others may be news that those have not told yet, or that have not come here. */
  isNews(key: string): boolean
}

/**
 * What a link of ours is to the mesh. `redundant`: its ends are connected by links that are all stronger, a wanted one being stronger than one that nobody
 * wants, and of two alike the one of the higher rank. All devices order links alike, so whatever they end at the same time, the strongest ones stay, and those
 * connect whatever was connected (a maximum spanning forest loses nothing when any link that is the weakest of a cycle goes).
 */
export function roleOf(graph: TopologyGraph, key: string): 'redundant' | 'bridge' | 'unknown' {
  const { own } = graph
  const other = graph.record(key)
  if (other === undefined) return 'unknown'
  if (strongerPath(graph, other)) return 'redundant'
  return isResolved(graph, own, other) ? 'bridge' : 'unknown'
}

function strongerPath(graph: TopologyGraph, other: TopologyRecord): boolean {
  const { own } = graph
  const strength = strengthOf(own, other)
  const seen = new Set([own.key])
  const queue = [own]
  for (let from = queue.pop(); from !== undefined; from = queue.pop()) {
    for (const key of from.neighbours) {
      if (seen.has(key) || (from === own && key === other.key)) continue
      const to = graph.record(key)
      if (to === undefined || (from !== own && !to.neighbours.includes(from.key)) || strengthOf(from, to) <= strength) continue
      if (to === other) return true
      seen.add(key)
      queue.push(to)
    }
  }
  return false
}

/** Whether all that hangs on the other end without our link is known, and nothing of it is news. */
function isResolved(graph: TopologyGraph, own: TopologyRecord, other: TopologyRecord): boolean {
  const seen = new Set([own.key, other.key])
  const queue = [other]
  for (let from = queue.pop(); from !== undefined; from = queue.pop()) {
    for (const key of from.neighbours) {
      if (seen.has(key)) continue
      const to = graph.record(key)
      const mutual = to?.neighbours.includes(from.key) === true
      if (!mutual && (graph.isNews(from.key) || (to !== undefined && graph.isNews(key)))) return false
      if (to === undefined || !mutual) continue
      seen.add(key)
      queue.push(to)
    }
  }
  return true
}

/** From 1 to 2 for a link that an end wants, from 0 to 1 for others. */
function strengthOf(a: TopologyRecord, b: TopologyRecord): number {
  return (wants(a, b.key) || wants(b, a.key) ? 1 : 0) + linkRank(a, b)
}

function wants({ neighbours, wanted }: TopologyRecord, key: string): boolean {
  const index = neighbours.indexOf(key)
  return index >= 0 && (wanted >>> index) % 2 === 1
}
