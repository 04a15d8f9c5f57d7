import type { PeripheralLike } from '../library/noble-like.ts'

/** Devices remembered at most. Addresses are free for the taking, so somebody may advertise under ever new ones. */
const MAX_DEVICES = 512

/** The devices that were heard, the most recently heard ones. */
export class HeardDevices {
  readonly #devices = new Map<string, PeripheralLike>()
  readonly #waiting = new Map<string, Set<(peripheral: PeripheralLike) => void>>()
  readonly #forgotten: (peripheral: PeripheralLike) => void
  readonly #kept: (id: string) => boolean

  /** @param forgotten told of a device that is no longer remembered; @param kept whether a device is in use and must stay */
  constructor(forgotten: (peripheral: PeripheralLike) => void, kept: (id: string) => boolean) {
    this.#forgotten = forgotten
    this.#kept = kept
  }

  heard(peripheral: PeripheralLike): void {
    const id = peripheral.id.toLowerCase()
    this.#devices.delete(id)
    this.#devices.set(id, peripheral)
    for (const tell of [...(this.#waiting.get(id) ?? [])]) tell(peripheral)
    if (this.#devices.size > MAX_DEVICES) this.#dropOldest()
  }

  get(id: string): PeripheralLike | undefined {
    return this.#devices.get(id)
  }

  /** @returns ends the waiting */
  onceHeard(id: string, tell: (peripheral: PeripheralLike) => void): () => void {
    const listeners = this.#waiting.get(id) ?? new Set()
    this.#waiting.set(id, listeners.add(tell))
    return () => {
      listeners.delete(tell)
      if (listeners.size === 0 && this.#waiting.get(id) === listeners) this.#waiting.delete(id)
    }
  }

  clear(): void {
    this.#devices.clear()
  }

  #dropOldest(): void {
    for (const [id, peripheral] of this.#devices) {
      if (this.#kept(id)) continue
      this.#devices.delete(id)
      this.#forgotten(peripheral)
      return
    }
  }
}
