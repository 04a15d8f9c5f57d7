import type { Clock } from '@kithmesh/core'
import { Budget } from '../budget.ts'

const BURST_SECONDS = 2

/** What was relayed, and how much each user may still have relayed. */
export class Traffic {
  readonly #perSecond: number
  readonly #clock: Clock
  readonly #budgets = new Map<string, Budget>()
  #bytes = 0

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond
    this.#clock = clock
  }

  /** Since it was made. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether a datagram may be relayed; it is counted then. */
  datagram(username: string, bytes: number): boolean {
    if (!this.#of(username).take(bytes)) return false
    this.#bytes += bytes
    return true
  }

  /** Counts what came over a connection; milliseconds until more should be read from there. */
  stream(username: string, bytes: number): number {
    this.#bytes += bytes
    return this.#of(username).owe(bytes)
  }

  /** Forgets the budgets of users who have no allocations any more. A debt is forgiven with it, as an allocation takes longer to make. */
  forget(inUse: (username: string) => boolean): void {
    for (const username of this.#budgets.keys()) if (!inUse(username)) this.#budgets.delete(username)
  }

  #of(username: string): Budget {
    let budget = this.#budgets.get(username)
    if (budget === undefined) {
      budget = new Budget(this.#perSecond, BURST_SECONDS, this.#clock)
      this.#budgets.set(username, budget)
    }
    return budget
  }
}
