import { dials } from '@kithmesh/core'
import { punchErrors } from './errors.ts'

/** Attempts remembered as cancelled, because the cancellation may arrive before the offer. */
const MAX_CANCELLED = 128

/**
 * Who is punching with whom, in both roles: where calls that cross are decided (glare). Of two devices that call each other at once, the
 * attempt of the one that `dials` counts; the other one is answered with ERR_PUNCH_GLARE and gives up its own.
 */
export class Calls {
  readonly #localId: string
  readonly #outgoing = new Map<string, Set<AbortController>>()
  readonly #incoming = new Map<string, Map<string, AbortController>>()
  readonly #cancelled = new Set<string>()

  constructor(localId: string) {
    this.#localId = localId
  }

  /** Registers our own attempt; the returned function ends it. @throws ERR_PUNCH_GLARE while an attempt of the peer is under way */
  call(peerId: string, controller: AbortController): () => void {
    if (this.#incoming.has(peerId)) throw glare()
    const calls = this.#outgoing.get(peerId) ?? new Set()
    this.#outgoing.set(peerId, calls.add(controller))
    return () => {
      calls.delete(controller)
      if (calls.size === 0 && this.#outgoing.get(peerId) === calls) this.#outgoing.delete(peerId)
    }
  }

  /**
   * Registers an attempt of a peer; the returned function ends it. Our own attempts towards the peer are given up when its attempt counts.
   * @param takesPart whether the peer would take part in an attempt of ours
   * @throws ERR_PUNCH_GLARE when ours counts, ERR_PUNCH_CANCELLED when the peer has given it up already, ERR_PUNCH_MESSAGE for one that is
   * under way: what is counted by its name must have one of its own
   */
  answer(peerId: string, attempt: string, controller: AbortController, takesPart: boolean): () => void {
    if (this.#cancelled.delete(`${peerId} ${attempt}`)) throw cancelled()
    if (this.#incoming.get(peerId)?.has(attempt) === true)
      throw punchErrors.create('ERR_PUNCH_MESSAGE', 'The other device sent an attempt twice')
    const ours = this.#outgoing.get(peerId)
    if (ours !== undefined) {
      if (takesPart && dials(this.#localId, peerId)) throw glare()
      for (const call of [...ours]) call.abort(glare())
    }
    const answers = this.#incoming.get(peerId) ?? new Map<string, AbortController>()
    this.#incoming.set(peerId, answers.set(attempt, controller))
    return () => {
      answers.delete(attempt)
      if (answers.size === 0 && this.#incoming.get(peerId) === answers) this.#incoming.delete(peerId)
    }
  }

  /** The peer gave up an attempt, of its own or one of ours. */
  cancel(peerId: string, attempt: string): void {
    const controller = this.#incoming.get(peerId)?.get(attempt)
    if (controller !== undefined) {
      controller.abort(cancelled())
      return
    }
    this.#cancelled.add(`${peerId} ${attempt}`)
    if (this.#cancelled.size > MAX_CANCELLED) this.#cancelled.delete(this.#cancelled.values().next().value as string)
  }

  incomingOf(peerId: string): number {
    return this.#incoming.get(peerId)?.size ?? 0
  }

  get incoming(): number {
    let count = 0
    for (const answers of this.#incoming.values()) count += answers.size
    return count
  }

  /** Gives up all attempts of peers. */
  endIncoming(reason: unknown): void {
    for (const answers of [...this.#incoming.values()]) for (const controller of [...answers.values()]) controller.abort(reason)
  }

  /** Gives up all attempts. */
  endAll(reason: unknown): void {
    this.endIncoming(reason)
    for (const calls of [...this.#outgoing.values()]) for (const call of [...calls]) call.abort(reason)
  }
}

function glare(): Error {
  return punchErrors.create('ERR_PUNCH_GLARE', 'Both devices called each other at once; the attempt of the other one counts')
}

function cancelled(): Error {
  return punchErrors.create('ERR_PUNCH_CANCELLED', 'The other device gave up the attempt')
}
