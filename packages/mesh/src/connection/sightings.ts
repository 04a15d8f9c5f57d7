import type { Device, Peer } from '@kithmesh/core'
import type { FoundDevice } from '../engine/contracts.ts'

/** Tells which devices are seen in a way in which they were not before. Made for one run of a mesh. */
export class Sightings {
  /** Those each listed device had when it was last looked at. */
  readonly #seen = new Map<string, ReadonlySet<Peer>>()

  found({ id, displayName, peers }: Device): FoundDevice {
    const before = this.#seen.get(id)
    const sightings = new Set(peers)
    this.#seen.set(id, sightings)
    return { id, displayName, fresh: [...sightings].some((peer) => before?.has(peer) !== true) }
  }

  lost(deviceId: string): void {
    this.#seen.delete(deviceId)
  }
}
