/** What drivers report when they do not know (Core Specification, vol. 4, part E, §7.7.65.2). */
const unknownRssi = 127
/** Share of the newest value in the mean. */
const weight = 0.25
/** How far below the limit the mean has to fall before a device counts as too far away, dB. */
const hysteresisDb = 6

/** How well a device is heard: a running mean, since single values jump by ten dB, and a verdict that does not flap at the limit. */
export class SignalStrength {
  readonly #minRssi: number
  #mean: number | undefined
  #near = true

  /** @param minRssi dBm from which on a device counts as near */
  constructor(minRssi: number) {
    this.#minRssi = minRssi
  }

  /** dBm; undefined while nothing is known. */
  get mean(): number | undefined {
    return this.#mean
  }

  /** Whether connecting makes sense; true while nothing is known. */
  get near(): boolean {
    return this.#near
  }

  /** @param rssi dBm, 127 for unknown; anything that no receiver can measure counts as that */
  heard(rssi: number): void {
    if (!Number.isFinite(rssi) || rssi >= unknownRssi || rssi < -127) return
    const first = this.#mean === undefined
    this.#mean = this.#mean === undefined ? rssi : this.#mean + weight * (rssi - this.#mean)
    this.#near = this.#mean >= (this.#near && !first ? this.#minRssi - hysteresisDb : this.#minRssi)
  }
}
