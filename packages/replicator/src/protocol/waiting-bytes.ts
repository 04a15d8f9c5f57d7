import type { KithmeshError } from '@kithmesh/core'
import { outOfBudget } from '@kithmesh/blip'
import type { BudgetHolder, BufferBudget } from '@kithmesh/blip'

/**
 * The bytes of received revisions that wait for their blobs, over all collections of a session: a peer that names blobs and never sends them
 * decides how long they wait. They count in the budget that connections share, if there is one.
 */
export class WaitingBytes implements BudgetHolder {
  readonly #limit: number
  readonly #evicted: (error: KithmeshError) => void
  readonly #roomListeners: (() => void)[] = []
  #budget: BufferBudget | undefined
  #held = 0

  /** @param evicted The session is to end, for the sake of the others. */
  constructor(limit: number, budget: BufferBudget | undefined, evicted: (error: KithmeshError) => void) {
    this.#limit = limit
    this.#budget = budget
    this.#evicted = evicted
  }

  get bufferedBytes(): number {
    return this.#held
  }

  /** No more is to be asked for. */
  get full(): boolean {
    return this.#held >= this.#limit
  }

  /** Counts a revision if there is room for it; what was `asked` for may take four times as much. The first is always let in. */
  take(bytes: number, asked: boolean): boolean {
    if (this.#held > 0 && this.#held + bytes > this.#limit * (asked ? 4 : 1)) return false
    this.#held += bytes
    if (this.#budget === undefined || this.#budget.count(this, bytes)) return true
    this.give(bytes)
    return false
  }

  /** The revision waits no longer. */
  give(bytes: number): void {
    const wasFull = this.full
    this.#held -= bytes
    this.#budget?.count(this, -bytes)
    if (wasFull && !this.full) for (const listener of this.#roomListeners) listener()
  }

  /** Calls back whenever more may be asked for again. */
  onRoom(listener: () => void): void {
    this.#roomListeners.push(listener)
  }

  evict(): void {
    const budget = this.#budget
    this.close()
    if (budget !== undefined) this.#evicted(outOfBudget(budget))
  }

  /** The session is over: nothing counts any more in the shared budget. */
  close(): void {
    this.#budget?.leave(this, this.#held)
    this.#budget = undefined
  }
}
