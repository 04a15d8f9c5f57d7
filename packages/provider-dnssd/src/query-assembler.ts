import type { Clock } from '@kithmesh/core'
import type { Link, Sender } from './sockets.ts'
import type { Message, Question, ResourceRecord } from './dns-message.ts'

/** A query whose list of known answers goes on is answered after this time without a further part (RFC 6762 §7.2). */
const continuationMs = 450
/** Bounds for lists under way. */
const maxContinuations = 32
const maxKnownAnswers = 20_000

interface Continuation {
  readonly link: Link
  readonly questions: readonly Question[]
  readonly known: ResourceRecord[]
  cancel: () => void
}

/** Puts queries together whose known answers come in several packets. */
export class QueryAssembler {
  readonly #clock: Clock
  readonly #answer: (link: Link, questions: readonly Question[], known: readonly ResourceRecord[]) => void
  readonly #waiting = new Map<string, Continuation>()

  /** @param answer called with each query once it is complete */
  constructor(clock: Clock, answer: (link: Link, questions: readonly Question[], known: readonly ResourceRecord[]) => void) {
    this.#clock = clock
    this.#answer = answer
  }

  receive(link: Link, message: Message, from: Sender): void {
    const key = `${link.name}|${from.address}|${message.id}`
    const earlier = this.#waiting.get(key)
    if (message.questions.length === 0) {
      if (earlier === undefined) return
      earlier.cancel()
      earlier.known.push(...message.answers)
      if (message.truncated && earlier.known.length < maxKnownAnswers) earlier.cancel = this.#later(key)
      else this.#finish(key)
      return
    }
    if (!message.truncated || this.#waiting.size >= maxContinuations) {
      this.#answer(link, message.questions, message.answers)
      return
    }
    if (earlier !== undefined) this.#finish(key)
    this.#waiting.set(key, { link, questions: message.questions, known: [...message.answers], cancel: this.#later(key) })
  }

  stop(): void {
    for (const { cancel } of this.#waiting.values()) cancel()
    this.#waiting.clear()
  }

  #later(key: string): () => void {
    return this.#clock.after(continuationMs, () => {
      this.#finish(key)
    })
  }

  #finish(key: string): void {
    const query = this.#waiting.get(key)
    if (query === undefined) return
    query.cancel()
    this.#waiting.delete(key)
    this.#answer(query.link, query.questions, query.known)
  }
}
