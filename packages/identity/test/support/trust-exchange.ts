import { randomBytes } from 'node:crypto'
import type { TrustExchange, TrustProtocol, TrustVerdict } from '@kithmesh/core'

export type Role = TrustExchange['role']

export const otherRole = (role: Role): Role => (role === 'initiator' ? 'responder' : 'initiator')

/** What becomes of a message on its way: the messages that arrive instead. */
export type Intercept = (message: Buffer, from: Role, index: number) => readonly Uint8Array[]

export interface ExchangePair {
  readonly initiator: TrustExchange
  readonly responder: TrustExchange
  /** As they were sent. */
  readonly sent: ReadonlyArray<{ readonly from: Role; readonly message: Buffer }>
  /** Ends both. */
  abort(reason: Error): void
}

export interface PairOptions {
  readonly initiatorId?: string
  readonly responderId?: string
  readonly binding?: Uint8Array
  readonly intercept?: Intercept
}

export const idOf = (digit: string): string => digit.repeat(64)

/** Two ends of a connection in memory. */
export function exchangePair(options: PairOptions = {}): ExchangePair {
  const { initiatorId = idOf('1'), responderId = idOf('2'), binding = randomBytes(32) } = options
  const { intercept = (message) => [message] } = options
  const ended = new AbortController()
  const sent: { from: Role; message: Buffer }[] = []
  const inboxes = { initiator: new Inbox(ended.signal), responder: new Inbox(ended.signal) }
  const end = (role: Role): TrustExchange => ({
    role,
    localPeerId: role === 'initiator' ? initiatorId : responderId,
    remotePeerId: role === 'initiator' ? responderId : initiatorId,
    binding,
    signal: ended.signal,
    send: (bytes) => {
      const message = Buffer.from(bytes)
      sent.push({ from: role, message })
      for (const each of intercept(message, role, sent.length - 1)) inboxes[otherRole(role)].put(each)
    },
    receive: () => inboxes[role].take()
  })
  return {
    initiator: end('initiator'),
    responder: end('responder'),
    sent,
    abort: (reason) => {
      ended.abort(reason)
    }
  }
}

class Inbox {
  readonly #signal: AbortSignal
  readonly #messages: Uint8Array[] = []
  readonly #waiting: ((message: Uint8Array) => void)[] = []

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  put(message: Uint8Array): void {
    const waiting = this.#waiting.shift()
    if (waiting === undefined) this.#messages.push(message)
    else waiting(message)
  }

  take(): Promise<Uint8Array> {
    const message = this.#messages.shift()
    if (message !== undefined) return Promise.resolve(message)
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve)
      this.#signal.addEventListener('abort', () => {
        reject(this.#signal.reason as Error)
      })
    })
  }
}

export type Outcome = TrustVerdict | { readonly rejected: unknown }

export const outcomeOf = (running: Promise<TrustVerdict>): Promise<Outcome> => running.catch((rejected: unknown) => ({ rejected }))

export const trusts = (outcome: Outcome): boolean => 'trusted' in outcome && outcome.trusted

export const reasonOf = (outcome: Outcome): string => ('reason' in outcome ? outcome.reason : '')

/** Both ends of one run. */
export async function runBoth(
  initiator: TrustProtocol,
  responder: TrustProtocol,
  options: PairOptions = {}
): Promise<{ readonly initiator: Outcome; readonly responder: Outcome; readonly pair: ExchangePair }> {
  const pair = exchangePair(options)
  const [one, other] = await Promise.all([outcomeOf(initiator.run(pair.initiator)), outcomeOf(responder.run(pair.responder))])
  return { initiator: one, responder: other, pair }
}

/**
 * Somebody with an id of their own between two devices: a connection with each, on which they are a peer like others, and whatever one of the two says
 * is passed on to the other.
 */
export async function relayBetween(
  initiator: TrustProtocol,
  responder: TrustProtocol,
  { changed = (message) => message }: { readonly changed?: (message: Buffer, from: Role) => Buffer } = {}
): Promise<{ readonly initiator: Outcome; readonly responder: Outcome }> {
  let left: ExchangePair
  const right = exchangePair({
    initiatorId: idOf('e'),
    responderId: idOf('2'),
    intercept: (message, from) => {
      if (from === 'initiator') return [message]
      left.responder.send(changed(message, from))
      return []
    }
  })
  left = exchangePair({
    initiatorId: idOf('1'),
    responderId: idOf('e'),
    intercept: (message, from) => {
      if (from === 'responder') return [message]
      right.initiator.send(changed(message, from))
      return []
    }
  })
  const [one, other] = await Promise.all([outcomeOf(initiator.run(left.initiator)), outcomeOf(responder.run(right.responder))])
  return { initiator: one, responder: other }
}
