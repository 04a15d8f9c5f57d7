import { type Acknowledgement, MAX_ACK_RANGES } from './packet.ts'
import { RangeSet } from './range-set.ts'
import { MAX_ACK_DELAY_MS } from './rtt-estimator.ts'

/** Packets that are acknowledged together at most, unless one is missing (RFC 9000 §13.2.2). */
const ACK_EVERY = 2

/** Which packets came, and when that has to be said (RFC 9000 §13.2). */
export class AckTracker {
  readonly #received = new RangeSet()
  #largest = -1
  #largestAt = 0
  #pending = 0
  #atOnce = false
  /** When an acknowledgement is due at the latest. */
  dueAt: number | undefined

  /** Something came, ever. */
  get any(): boolean {
    return this.#largest >= 0
  }

  get largest(): number {
    return this.#largest
  }

  /** Ranges that the next acknowledgement will have. */
  get ranges(): number {
    return this.#received.count
  }

  /** Something has come that wants an acknowledgement and has none. */
  get pending(): boolean {
    return this.#pending > 0
  }

  /** Whether a packet is here already, or so old that nobody can tell. */
  known(number: number): boolean {
    return this.#received.has(number) || (this.#received.count === MAX_ACK_RANGES && number < this.#received.start(0))
  }

  /** @param wanted whether the packet is to be acknowledged @param atOnce without waiting for others */
  add(number: number, now: number, wanted: boolean, atOnce: boolean): void {
    const inOrder = number === this.#largest + 1
    this.#received.add(number, number + 1)
    this.#received.keepHighest(MAX_ACK_RANGES)
    if (number > this.#largest) {
      this.#largest = number
      this.#largestAt = now
    }
    if (!wanted) return
    this.#pending++
    if (atOnce || !inOrder || this.#pending >= ACK_EVERY) this.demand()
    this.dueAt ??= now + MAX_ACK_DELAY_MS
  }

  /** The next acknowledgement is due now. */
  demand(): void {
    this.#atOnce = true
  }

  due(now: number): boolean {
    return this.any && (this.#atOnce || (this.dueAt !== undefined && now >= this.dueAt))
  }

  /** What to say now. */
  take(now: number, window: number): Acknowledgement {
    const ranges: number[] = []
    for (let index = this.#received.count - 1; index >= 0; index--) ranges.push(this.#received.start(index), this.#received.end(index) - 1)
    this.#pending = 0
    this.#atOnce = false
    this.dueAt = undefined
    return { ageMs: now - this.#largestAt, window, ranges }
  }
}
