import type { Clock } from '@kithmesh/core'
import { canonicalAddress } from '@kithmesh/stun'

/** RFC 8656 §9. */
const LIFETIME_MS = 300_000

/** Whose packets an allocation lets in, and whom it sends to: addresses, whatever the port. */
export class Permissions {
  readonly #most: number
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #until = new Map<string, number>()

  constructor(most: number, clock: Pick<Clock, 'monotonic'>) {
    this.#most = most
    this.#clock = clock
  }

  /** Gives or renews all of them, or none when they are too many. */
  grant(addresses: readonly string[]): boolean {
    this.sweep()
    const wanted = new Set(addresses.map(canonicalAddress))
    const fresh = [...wanted].filter((address) => !this.#until.has(address))
    if (this.#until.size + fresh.length > this.#most) return false
    for (const address of wanted) this.#until.set(address, this.#clock.monotonic() + LIFETIME_MS)
    return true
  }

  has(address: string): boolean {
    return (this.#until.get(canonicalAddress(address)) ?? Number.NEGATIVE_INFINITY) > this.#clock.monotonic()
  }

  sweep(): void {
    const now = this.#clock.monotonic()
    for (const [address, until] of this.#until) if (until <= now) this.#until.delete(address)
  }
}
