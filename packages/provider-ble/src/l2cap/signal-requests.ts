import type { Clock } from '@kithmesh/core/plugin'
import type { Signal } from './signal-codec.ts'

/** How long an answer that comes too late is still understood: the longest RTX timer (Core Specification, vol. 3, part A, §6.2.1). */
const FORGET_MS = 60_000
const IDENTIFIERS = 255

export interface SignalRequest {
  readonly withinMs: number
  /** No answer came in time. */
  late(): void
  /** No answer will be understood any more. When it is left out, that is so as soon as it is late. */
  forgotten?(): void
  /** @returns false when that is no answer to this request, which then goes on waiting */
  answered(answer: Signal): boolean
}

interface Waiting {
  readonly request: SignalRequest
  cancel: () => void
}

/** Commands of this side that wait for an answer, by their identifiers (Core Specification, vol. 3, part A, §4: from 1 to 255). */
export class SignalRequests {
  readonly #clock: Clock
  readonly #waiting = new Map<number, Waiting>()
  #last = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** An identifier that no command waiting for an answer has. There are fewer of those than identifiers: each has a CID of its own. */
  identifier(): number {
    do this.#last = this.#last === IDENTIFIERS ? 1 : this.#last + 1
    while (this.#waiting.has(this.#last))
    return this.#last
  }

  /** @returns the identifier to send the command with */
  add(request: SignalRequest): number {
    const identifier = this.identifier()
    const waiting: Waiting = {
      request,
      cancel: this.#clock.after(request.withinMs, () => {
        if (request.forgotten === undefined) this.#waiting.delete(identifier)
        else
          waiting.cancel = this.#clock.after(FORGET_MS, () => {
            this.#waiting.delete(identifier)
            request.forgotten?.()
          })
        request.late()
      })
    }
    this.#waiting.set(identifier, waiting)
    return identifier
  }

  /** @returns whether a request took it for its answer */
  answer(identifier: number, answer: Signal): boolean {
    const waiting = this.#waiting.get(identifier)
    if (waiting === undefined || !waiting.request.answered(answer)) return false
    this.drop(identifier)
    return true
  }

  /** The request needs no answer any more. Nothing is called. */
  drop(identifier: number): void {
    this.#waiting.get(identifier)?.cancel()
    this.#waiting.delete(identifier)
  }

  /** No answers will come. Nothing is called. */
  clear(): void {
    for (const { cancel } of this.#waiting.values()) cancel()
    this.#waiting.clear()
  }
}
