import { checkInteger } from '@kithmesh/core/plugin'

/**
 * Rings: the peer id is a hash, so each slice of it is a position drawn by lot on a circle of its own. On every ring each device links with the
 * next one in either direction. Of devices that see the same, all come to the same plan without exchanging a message; two rings through the same
 * devices, in orders that have nothing to do with each other, are a random regular graph: well connected, of small diameter, every degree alike.
 * (Law and Siu, "Distributed construction of random expander networks", INFOCOM 2003, study such unions of cycles.)
 */

/** Digits of the peer id that are one position: 48 bits, exact in a number, and five positions fit into an id. */
const digits = 12
/** Positions on a ring. */
export const ringSize = 2 ** (4 * digits)
const mostRings = 5
/** Highest target degree: two links on each of the five rings that a peer id has room for. */
export const maxTarget = 2 * mostRings

/** A device and where it stands on each ring. Immutable; shared by all plans that were given the same {@link RingPlaces}. */
export interface RingPlace {
  readonly id: string
  readonly at: readonly number[]
}

/** Places that are kept at a time; more are computed anew. */
const mostPlaces = 16_384

/** The places of devices, computed once for each. One may serve any number of plans in a process. Bounded. */
export class RingPlaces {
  readonly #places = new Map<string, RingPlace>()

  of(id: string): RingPlace {
    let place = this.#places.get(id)
    if (place === undefined) {
      place = ringPlace(id)
      if (this.#places.size >= mostPlaces) this.#places.clear()
      this.#places.set(id, place)
    }
    return place
  }
}

/** Where a device stands. Ids that are no hash of 64 hex digits get places too, but others may give the device different ones. */
export function ringPlace(id: string): RingPlace {
  const hash = /^[0-9a-f]{64}$/.test(id) ? id : spread(id)
  const at: number[] = []
  for (let ring = 0; ring < mostRings; ring++) at.push(Number.parseInt(hash.slice(ring * digits, (ring + 1) * digits), 16))
  return { id, at }
}

/** Number of rings that give a device `target` neighbours, one in either direction on each. */
export function ringsFor(target: number): number {
  checkInteger('The target degree', target, 1, maxTarget)
  return Math.ceil(target / 2)
}

/** Steps from one position to another: ahead, or back against the direction of the ring. */
export function ringDistance(from: number, to: number, ahead: boolean): number {
  const steps = to - from
  if (steps === 0) return 0
  return ahead === steps > 0 ? Math.abs(steps) : ringSize - Math.abs(steps)
}

/**
 * The plan itself, as a pure function: the neighbours of a device among candidates that can all be reached. Up to `target` candidates: all of them.
 * {@link LinkPlan} comes to the same, step by step and with those passed over that do not answer.
 */
export function ringNeighbours(localId: string, candidates: Iterable<string>, target: number, places = new RingPlaces()): Set<string> {
  const rings = ringsFor(target)
  const others = [...candidates].filter((id) => id !== localId)
  if (others.length <= target) return new Set(others)
  const local = places.of(localId)
  const chosen = new Set<string>()
  for (let ring = 0; ring < rings; ring++) {
    for (const ahead of [true, false]) {
      let [best, bestId] = [Number.POSITIVE_INFINITY, '']
      for (const id of others) {
        const distance = ringDistance(local.at[ring] as number, places.of(id).at[ring] as number, ahead)
        if (distance < best || (distance === best && id < bestId)) [best, bestId] = [distance, id]
      }
      chosen.add(bestId)
    }
  }
  return chosen
}

/** 64 hex digits out of any text (FNV-1a with a final mix, eight times with different seeds). Not cryptographic: it only spreads. */
function spread(text: string): string {
  let hash = ''
  for (let part = 0; part < 8; part++) {
    let state = 0x811c9dc5 ^ Math.imul(part + 1, 0x9e3779b1)
    for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193)
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d)
    state = Math.imul(state ^ (state >>> 12), 0x297a2d39)
    hash += ((state ^ (state >>> 15)) >>> 0).toString(16).padStart(8, '0')
  }
  return hash
}
