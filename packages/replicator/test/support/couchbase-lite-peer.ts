import { START } from './simulated-peer.ts'
import type { NetworkPeer } from './simulated-peer.ts'
import { VectorMemoryStore } from './vector-memory-store.ts'
import type { VectorMemoryCollection } from './vector-memory-store.ts'

/** A peer of a simulated network that compares vectors as Couchbase Lite does, and knows none of our further rules (docs/convergence.md). */
export class CouchbaseLitePeer implements NetworkPeer {
  readonly store = new VectorMemoryStore()

  constructor(skewMs = 0) {
    this.#documents.time = BigInt(START + skewMs) * 1_000_000n
  }

  get #documents(): VectorMemoryCollection {
    return this.store.default as VectorMemoryCollection
  }

  put(id: string, body: Record<string, unknown>): void {
    this.#documents.put(id, body)
  }
  putAsForeign(id: string, body: Record<string, unknown>): void {
    this.put(id, body)
  }
  delete(id: string): void {
    if (this.#documents.json(id) !== undefined) this.#documents.delete(id)
  }

  snapshot(): Record<string, string> {
    return Object.fromEntries(
      [...this.#documents.docs]
        .map(([id, { current, revs, rivals }]) => {
          const { deleted, body } = revs.get(current) as { deleted: boolean; body: Buffer }
          return [id, `${current} ${deleted ? 'deleted' : body.toString()}${rivals.size > 0 ? ' in conflict' : ''}`] as const
        })
        .sort(([a], [b]) => (a < b ? -1 : 1))
    )
  }
}
