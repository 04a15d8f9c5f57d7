import { type RingPlace, ringDistance } from './ring-plan.ts'

/** What the slots ask of a candidate. */
export interface CandidateView {
  /** Devices that are connected, candidates all of them. */
  readonly connected: Iterable<RingPlace>
  /** Passed over: as if it were not there. */
  excluded(id: string): boolean
  /** It failed when it was last tried, and is due again: it is tried, but nothing waits for it. */
  failed(id: string): boolean
  /** Not connected, and given enough time to be. */
  overdue(id: string): boolean
}

/** Unconnected devices of one slot that are wanted at the same time. */
const mostPending = 4
/** Devices that failed before and are tried again at the same time. */
const mostRetries = 2

/** One direction on one ring. */
class Slot {
  readonly ring: number
  readonly ahead: boolean
  /** Wanted and not connected, the nearest first. */
  pending: string[] = []
  /** The nearest device that is connected. */
  connected: string | undefined
  /** Only a candidate that is nearer than this changes anything. */
  reach = Number.POSITIVE_INFINITY
  stale = true

  constructor(ring: number, ahead: boolean) {
    this.ring = ring
    this.ahead = ahead
  }
}

/**
 * The next device in either direction on every ring, kept while candidates come and go. A candidate that is farther away than what is chosen costs
 * two subtractions for each ring; only the loss of a chosen one makes a slot look through all candidates.
 *
 * A slot wants the nearest device that is connected, and those nearer ones that are not yet: the first; when it is overdue the next one as well, and so on.
 * So a device that does not answer is passed over after a moment, and takes its place as soon as it does.
 */
export class RingSlots {
  readonly #local: RingPlace
  readonly #slots: readonly Slot[]
  readonly #candidates: RingPlace[] = []
  readonly #index = new Map<string, number>()
  #stale = true

  constructor(local: RingPlace, rings: number) {
    this.#local = local
    this.#slots = Array.from({ length: 2 * rings }, (_, i) => new Slot(i >> 1, (i & 1) === 0))
  }

  get size(): number {
    return this.#candidates.length
  }
  get candidates(): readonly RingPlace[] {
    return this.#candidates
  }
  /** Something changed that {@link refresh} has to look at. */
  get stale(): boolean {
    return this.#stale
  }

  has(id: string): boolean {
    return this.#index.has(id)
  }

  /** @returns false when it is one already. */
  add(place: RingPlace): boolean {
    if (this.#index.has(place.id)) return false
    this.#index.set(place.id, this.#candidates.length)
    this.#candidates.push(place)
    this.nearer(place)
    return true
  }

  remove(place: RingPlace): void {
    const index = this.#index.get(place.id)
    if (index === undefined) return
    this.#index.delete(place.id)
    const last = this.#candidates.pop() as RingPlace
    if (last.id !== place.id) {
      this.#candidates[index] = last
      this.#index.set(last.id, index)
    }
    this.unchosen(place.id)
  }

  /** The candidate may be chosen now, where it could not be before. */
  nearer(place: RingPlace): void {
    for (const slot of this.#slots) if (this.#distance(slot, place) <= slot.reach) this.#stale = slot.stale = true
  }

  /** The candidate cannot be chosen any more, or not for what it was. */
  unchosen(id: string): void {
    for (const slot of this.#slots) if (slot.connected === id || slot.pending.includes(id)) this.#stale = slot.stale = true
  }

  /** Everything is looked at anew. */
  invalidate(): void {
    for (const slot of this.#slots) this.#stale = slot.stale = true
  }

  /** Looks again where something changed. */
  refresh(view: CandidateView): void {
    if (!this.#stale) return
    this.#stale = false
    for (const slot of this.#slots) if (slot.stale) this.#choose(slot, view)
  }

  /** Calls with everything that is wanted; `filled`: a connected device that is where it belongs, and no stand-in. */
  forEach(wanted: (id: string, state: 'pending' | 'filled' | 'stand-in') => void): void {
    for (const { pending, connected } of this.#slots) {
      for (const id of pending) wanted(id, 'pending')
      if (connected !== undefined) wanted(connected, pending.length === 0 ? 'filled' : 'stand-in')
    }
  }

  #choose(slot: Slot, view: CandidateView): void {
    let limit = Number.POSITIVE_INFINITY
    slot.connected = undefined
    for (const place of view.connected) {
      const distance = this.#distance(slot, place)
      if (distance < limit || (distance === limit && place.id < (slot.connected ?? ''))) {
        limit = distance
        slot.connected = place.id
      }
    }
    slot.pending = []
    slot.reach = limit
    slot.stale = false
    let retries = 0
    let [from, fromId] = [-1, '']
    while (slot.pending.length < mostPending + mostRetries) {
      const next = this.#nearest(slot, view, from, fromId, limit, slot.connected ?? '', retries < mostRetries)
      if (next === undefined) return
      slot.pending.push(next.id)
      from = this.#distance(slot, next)
      fromId = next.id
      if (view.failed(next.id)) retries++
      else if (!view.overdue(next.id) || slot.pending.length - retries >= mostPending) {
        slot.reach = from
        return
      }
    }
    slot.reach = from
  }

  /** The nearest candidate after (from, fromId) and before (limit, limitId). */
  #nearest(
    slot: Slot,
    view: CandidateView,
    from: number,
    fromId: string,
    limit: number,
    limitId: string,
    retry: boolean
  ): RingPlace | undefined {
    const { ring, ahead } = slot
    const origin = this.#local.at[ring] as number
    let best: RingPlace | undefined
    let [bound, boundId] = [limit, limitId]
    for (const place of this.#candidates) {
      const distance = ringDistance(origin, place.at[ring] as number, ahead)
      if (distance > bound || distance < from) continue
      if (distance === bound && (bound === Number.POSITIVE_INFINITY || place.id >= boundId)) continue
      if (distance === from && place.id <= fromId) continue
      if (view.excluded(place.id) || (!retry && view.failed(place.id))) continue
      best = place
      bound = distance
      boundId = place.id
    }
    return best
  }

  #distance(slot: Slot, place: RingPlace): number {
    return ringDistance(this.#local.at[slot.ring] as number, place.at[slot.ring] as number, slot.ahead)
  }
}
