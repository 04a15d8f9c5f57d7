import type { StoredDocument } from '@kithmesh/database/storage'
import type { SimPeer } from './peer.ts'
import { hashText } from './random.ts'

/** How many links peers have. */
export interface DegreeDistribution {
  readonly min: number
  readonly median: number
  readonly max: number
  /** Number of peers by number of links. */
  readonly histogram: readonly number[]
}

/** The links between running peers: those that both ends have. Per peer (in the order given) the positions of its neighbours. */
export function linksOf(peers: readonly SimPeer[]): number[][] {
  const positions = new Map(peers.map((peer, index) => [peer.id, index]))
  const claims = peers.map((peer) => new Set(peer.neighbours().flatMap((id) => positions.get(id) ?? [])))
  return claims.map((own, index) => [...own].filter((other) => claims[other]?.has(index) === true).sort((a, b) => a - b))
}

/** Parts of the mesh that no link joins, the largest first; each as positions. */
export function componentsOf(links: readonly (readonly number[])[]): number[][] {
  const seen = new Set<number>()
  const components: number[][] = []
  for (let start = 0; start < links.length; start++) {
    if (seen.has(start)) continue
    const component = [start]
    seen.add(start)
    for (let next = 0; next < component.length; next++)
      for (const neighbour of links[component[next] as number] ?? []) {
        if (seen.has(neighbour)) continue
        seen.add(neighbour)
        component.push(neighbour)
      }
    components.push(component)
  }
  return components.sort((a, b) => b.length - a.length)
}

/** Whether there is a way over links from each to each. */
export function isConnected(peers: readonly SimPeer[]): boolean {
  return peers.length === 0 || componentsOf(linksOf(peers)).length === 1
}

export function degreesOf(links: readonly (readonly number[])[]): DegreeDistribution {
  const degrees = links.map(({ length }) => length).sort((a, b) => a - b)
  const histogram: number[] = []
  for (const degree of degrees) histogram[degree] = (histogram[degree] ?? 0) + 1
  return {
    min: degrees[0] ?? 0,
    median: degrees[degrees.length >> 1] ?? 0,
    max: degrees.at(-1) ?? 0,
    histogram: Array.from(histogram, (count) => count ?? 0)
  }
}

const bodyHashes = new WeakMap<Uint8Array, number>()

/** 32 bits of a body; computed once for each that is shared. */
function hashBody(body: Uint8Array): number {
  let hash = bodyHashes.get(body)
  if (hash === undefined) {
    hash = 0x811c9dc5
    for (let i = 0; i < body.length; i++) hash = Math.imul(hash ^ (body[i] as number), 0x01000193)
    bodyHashes.set(body, hash)
  }
  return hash
}

function hashDocument({ id, revId, flags, body }: StoredDocument): number {
  return Math.imul(hashText(id) ^ Math.imul(hashText(revId), 0x85ebca6b), 0xc2b2ae35) ^ Math.imul(hashBody(body) ^ (flags & 3), 0x27d4eb2f)
}

/** What a peer has in its collections: equal texts mean equal documents, revisions and contents. */
export class Contents {
  readonly #cache = new WeakMap<SimPeer, { readonly sequence: number; readonly text: string }>()

  /** Computed again only when something changed. */
  of(peer: SimPeer): string {
    const { reader } = peer.store
    const collections = reader.collections()
    const sequence = collections.reduce((sum, { id }) => sum + reader.lastSequence(id), 0)
    const cached = this.#cache.get(peer)
    if (cached?.sequence === sequence) return cached.text
    const text = collections
      .map(({ id, scope, name }) => {
        let sum = 0
        let count = 0
        for (let since = 0; ; ) {
          const documents = reader.documentsSince(id, since, 1000)
          for (const document of documents) sum = (sum + (hashDocument(document) >>> 0)) % Number.MAX_SAFE_INTEGER
          count += documents.length
          const last = documents.at(-1)
          if (last === undefined) break
          since = last.sequence
        }
        return `${scope}.${name}: ${count} ${sum.toString(16)}`
      })
      .sort()
      .join('; ')
    this.#cache.set(peer, { sequence, text })
    return text
  }

  /** Whether all have the same. */
  agree(peers: readonly SimPeer[]): boolean {
    const [first, ...others] = peers
    if (first === undefined) return true
    const count = liveDocuments(first)
    // Counting is cheap, and while documents are on their way the numbers differ, as a rule.
    if (!others.every((peer) => liveDocuments(peer) === count)) return false
    const text = this.of(first)
    return others.every((peer) => this.of(peer) === text)
  }
}

/** Documents that a peer has, over all collections. */
export function liveDocuments(peer: SimPeer): number {
  const { reader } = peer.store
  return reader.collections().reduce((sum, { id }) => sum + reader.count(id), 0)
}

/** Whether no document of a peer waits for a resolution. */
export function hasNoConflicts(peer: SimPeer): boolean {
  const { reader } = peer.store
  return reader.collections().every(({ id }) => reader.valuesIn(`conflicts/${id}`).length === 0)
}
