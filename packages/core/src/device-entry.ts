import type { Device, Peer } from './contracts/peer.ts'

/**
 * The device that applications see. It stays the same object, and stays current, as long as the device is listed; afterwards
 * it has no peers and keeps its last name.
 */
export class DeviceEntry implements Device {
  readonly id: string
  readonly #members = new Set<Peer>()
  #snapshot: readonly Peer[] | undefined
  #lastName = ''

  constructor(id: string) {
    this.id = id
  }

  get peers(): readonly Peer[] {
    this.#snapshot ??= Object.freeze([...this.#members])
    return this.#snapshot
  }

  get empty(): boolean {
    return this.#members.size === 0
  }

  /** The first sighting's name that is not empty; the id when all are. */
  get displayName(): string {
    for (const { displayName } of this.#members) if (displayName !== '') return displayName
    return this.#lastName === '' ? this.id : this.#lastName
  }

  add(peer: Peer): void {
    this.#members.add(peer)
    this.#snapshot = undefined
  }

  delete(peer: Peer): void {
    if (this.#members.size === 1) this.#lastName = this.displayName
    this.#members.delete(peer)
    this.#snapshot = undefined
  }
}
