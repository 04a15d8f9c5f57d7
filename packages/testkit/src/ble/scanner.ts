import { Status } from './codes.ts'
import type { Controller } from './controller.ts'
import type { WireAddress } from './device-address.ts'
import { advertisingReport } from './events.ts'

/** Devices of which duplicates are known; whoever comes later is reported again and again. */
const MOST_KNOWN = 1000

/** Scanning of a controller. */
export class Scanner {
  enabled = false
  active = false
  #share = 1
  #filter = false
  readonly #known = new Set<string>()
  readonly #controller: Controller

  constructor(controller: Controller) {
    this.#controller = controller
  }

  /** LE Set Scan Parameters. */
  setParameters(parameters: Buffer): number {
    if (this.enabled) return Status.disallowed
    const [type, interval, window] = [parameters[0] as number, parameters.readUInt16LE(1), parameters.readUInt16LE(3)]
    if (type > 1 || interval < 4 || interval > 0x4000 || window < 4 || window > interval) return Status.invalidParameters
    this.active = type === 1
    this.#share = window / interval
    return Status.success
  }

  /** LE Set Scan Enable. */
  enable(on: boolean, filterDuplicates: boolean): number {
    this.enabled = on
    this.#filter = filterDuplicates
    this.#known.clear()
    return Status.success
  }

  /** Whether an advertisement of now falls into the scan window. */
  hears(): boolean {
    return this.enabled && (this.#share === 1 || this.#controller.medium.random() < this.#share)
  }

  /** Tells the host, unless it wants to hear of each only once. */
  report(type: number, from: WireAddress, data: Uint8Array, rssi: number): void {
    if (!this.#controller.ready) return
    if (this.#filter) {
      const key = `${from.id}/${from.type}/${type}`
      if (this.#known.has(key)) return
      if (this.#known.size < MOST_KNOWN) this.#known.add(key)
    }
    this.#controller.outbox?.event(advertisingReport(type, from, data, rssi))
  }

  reset(): void {
    this.enabled = false
    this.active = false
    this.#share = 1
    this.#filter = false
    this.#known.clear()
  }
}
