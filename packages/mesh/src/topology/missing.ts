import type { LinkPlanTimes, LinkTopology } from './contracts.ts'
import { type RingPlace, ringSize } from './ring-plan.ts'

/** What the search asks of its plan. */
export interface MissingView {
  readonly local: RingPlace
  readonly candidates: readonly RingPlace[]
  readonly topology: LinkTopology
  /** The device is not connected, and not passed over. */
  available(id: string): boolean
}

/**
 * Finds visible devices that gossip does not show in our part of the mesh, one at a time. Rings alone connect everybody when everybody sees everybody; where
 * views differ (radios, a device with a foot in two subnets) they may leave parts that see each other without a link.
 *
 * Everybody who sees the other part looks for a link into it. The pairs are ranked by a number that both ends compute alike; a high rank waits longer,
 * so that the link of the lowest is known to most others before their turn comes.
 */
export class MissingDevices {
  readonly #view: MissingView
  readonly #times: LinkPlanTimes
  #revision = -1
  /** Not before then are all looked through again. */
  #lookAt = Number.NEGATIVE_INFINITY
  #since: number | undefined
  #next: { readonly id: string; readonly at: number } | undefined
  #notBefore = Number.NEGATIVE_INFINITY
  #failures = 0

  constructor(view: MissingView, times: LinkPlanTimes) {
    this.#view = view
    this.#times = times
  }

  /** A device came into view. @returns whether {@link nextAt} is another now. */
  found(id: string, now: number): boolean {
    if (this.#since !== undefined || this.#view.topology.reaches(id)) return false
    this.#since = now
    return true
  }

  /** What was asked for became a link, or did not. */
  tried(connected: boolean, now: number): void {
    this.#failures = connected ? 0 : this.#failures + 1
    this.#notBefore = now + this.#base * 2 ** Math.min(this.#failures, 6)
  }

  /** The device to link with now, if any. */
  due(now: number): string | undefined {
    const { topology, candidates } = this.#view
    if (this.#since === undefined) {
      // Looking through all is worth while once for many changes.
      if (topology.revision === this.#revision || now < this.#lookAt) return undefined
      this.#revision = topology.revision
      this.#lookAt = now + topology.intervalMs
      if (candidates.some(this.#missing)) this.#since = now
    }
    if (now < this.#searchAt) return undefined
    if (this.#next === undefined || !this.#missing({ id: this.#next.id })) {
      this.#next = this.#lowest(now)
      if (this.#next === undefined) {
        this.#since = undefined
        return undefined
      }
    }
    if (now < this.#next.at) return undefined
    const { id } = this.#next
    this.#next = undefined
    this.#notBefore = now + this.#base
    return id
  }

  /** When to ask again, if nothing changes. */
  get nextAt(): number {
    if (this.#since === undefined) return this.#view.topology.revision === this.#revision ? Number.POSITIVE_INFINITY : this.#lookAt
    return this.#next === undefined ? this.#searchAt : Math.max(this.#next.at, this.#searchAt)
  }

  readonly #missing = ({ id }: { readonly id: string }): boolean => !this.#view.topology.reaches(id) && this.#view.available(id)

  get #base(): number {
    return Math.max(this.#times.join, 4 * this.#view.topology.intervalMs)
  }

  get #searchAt(): number {
    if (this.#since === undefined) return Number.POSITIVE_INFINITY
    return Math.max(this.#since + this.#base, this.#view.topology.grewAt + 2 * this.#view.topology.intervalMs, this.#notBefore)
  }

  #lowest(now: number): { readonly id: string; readonly at: number } | undefined {
    const { local, candidates, topology } = this.#view
    let [id, lowest]: [string | undefined, number] = [undefined, Number.POSITIVE_INFINITY]
    for (const place of candidates) {
      const rank = pairRank(local, place)
      if (rank < lowest && this.#missing(place)) [id, lowest] = [place.id, rank]
    }
    return id === undefined ? undefined : { id, at: now + lowest * Math.max(1000, 2 * topology.intervalMs) }
  }
}

/** A number from 0 to 1, drawn by lot for each pair of devices and the same at both. */
function pairRank(a: RingPlace, b: RingPlace): number {
  return (((a.at[4] as number) + (b.at[4] as number)) % ringSize) / ringSize
}
