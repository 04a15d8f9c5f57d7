import type { Clock } from '@kithmesh/core'

/** Milliseconds of our punching that a peer may use up in vain, at once and refilled within {@link REFILL_MS}. */
const BUDGET_MS = 30_000
const REFILL_MS = 60_000
const MAX_PEERS = 1_000

interface Used {
  ms: number
  at: number
}

/**
 * What peers may cost us: while we punch towards one, nobody else gets through from that address. What came to nothing counts against the
 * peer that asked for it, so that one that asks again and again does not keep the others out. Memory is bounded.
 */
export class HoldBudget {
  readonly #clock: Clock
  readonly #used = new Map<string, Used>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  exhausted(peerId: string): boolean {
    return this.#level(peerId) >= BUDGET_MS
  }

  /** An attempt of the peer took this long and led to nothing. */
  spend(peerId: string, ms: number): void {
    const used = { ms: this.#level(peerId) + ms, at: this.#clock.monotonic() }
    this.#used.delete(peerId)
    this.#used.set(peerId, used)
    if (this.#used.size > MAX_PEERS) this.#used.delete(this.#used.keys().next().value as string)
  }

  #level(peerId: string): number {
    const used = this.#used.get(peerId)
    if (used === undefined) return 0
    return Math.max(0, used.ms - ((this.#clock.monotonic() - used.at) * BUDGET_MS) / REFILL_MS)
  }
}
