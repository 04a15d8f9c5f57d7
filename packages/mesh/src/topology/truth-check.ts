import type { GossipNeighbour } from './gossip-neighbour.ts'
import type { TopologyTable } from './topology-table.ts'

/** So long a neighbour may say what is not so, as news take their time; at least three intervals. */
const denialMs = 15_000
const inventionMs = 120_000
/**
 * So many links that the other ends deny are no delay of news. More than an honest device has of the usual degree, so that nobody can make it look like a liar by
 * forging the records of its neighbours.
 */
const inventions = 8

/** Compares what neighbours say of themselves with what is known at first hand. */
export class TruthCheck {
  readonly #table: TopologyTable
  /** Records in our own name that we did not issue. */
  contested = 0

  constructor(table: TopologyTable) {
    this.#table = table
  }

  /** Who has kept to a lie for too long. The same one is not named again before as much time has passed. */
  check(neighbours: Iterable<GossipNeighbour>, now: number): { readonly id: string; readonly detail: string }[] {
    const liars: { id: string; detail: string }[] = []
    const news = 3 * this.#table.intervalMs
    for (const neighbour of neighbours) {
      const record = this.#table.entry(neighbour.key)?.record
      // Who says nothing does not lie.
      if (record === undefined) continue
      const denies = !record.neighbours.includes(this.#table.own.key)
      neighbour.deniesSince = denies ? (neighbour.deniesSince ?? now) : undefined
      if (now - (neighbour.deniesSince ?? now) >= Math.max(denialMs, news)) {
        neighbour.deniesSince = now
        liars.push({ id: neighbour.id, detail: 'denies its link with us' })
      }
      const invents = record.neighbours.length > inventions && this.#denied(record.key, record.neighbours) >= inventions
      neighbour.inventsSince = invents ? (neighbour.inventsSince ?? now) : undefined
      if (now - (neighbour.inventsSince ?? now) >= Math.max(inventionMs, news)) {
        neighbour.inventsSince = now
        liars.push({ id: neighbour.id, detail: `claims links that ${inventions} or more devices deny` })
      }
    }
    return liars
  }

  #denied(key: string, neighbours: readonly string[]): number {
    let denied = 0
    for (const other of neighbours) {
      const record = other === this.#table.own.key ? undefined : this.#table.entry(other)?.record
      if (record !== undefined && !record.neighbours.includes(key)) denied++
    }
    return denied
  }
}
