import { randomBytes } from 'node:crypto'
import type { Clock } from './contracts/clock.ts'
import type { Logger } from './contracts/logger.ts'
import type { Signaling, SignalingBody, SignalingChannel, SignalingHandler, SignalingRequestOptions } from './contracts/signaling.ts'
import { withDeadline } from './deadline.ts'
import { coreErrors } from './errors.ts'
import { errorCode } from './kithmesh-error.ts'
import { checkPositive } from './check-numbers.ts'
import { joinSignals } from './joined-signals.ts'
import { limitedSignal } from './limited-signal.ts'
import { RememberedRequests } from './remembered-requests.ts'
import { decodeSignal, encodeSignal, type Signal } from './signaling-message.ts'
import { accessRefused } from './trust/access-guard.ts'
import { waitFor } from './wait-for.ts'

const REQUEST_TIMEOUT_MS = 5_000
/** Handlers at work; one more request is refused. */
const MAX_HANDLING = 64
const MAX_HANDLING_PER_PEER = 8
/** A handler's time. Longer than any request's, so that the requester gives up first; then its place is free, whatever it does. */
const HANDLER_DEADLINE_MS = 30_000

export interface SignalingHubOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Why nothing is to be exchanged with a peer. @default everybody is welcome */
  readonly refuses?: (peerId: string) => string | undefined
}

interface Pending {
  readonly peerId: string
  readonly answered: (signal: Signal) => void
}

/**
 * Requests and answers between devices over any number of signalling channels. A message that gets lost is sent once more, over another
 * channel if there is one; one that comes twice is handled once. `echo` is answered here: what was sent comes back.
 */
export class SignalingHub implements Signaling {
  readonly #options: SignalingHubOptions
  readonly #channels: SignalingChannel[] = []
  readonly #unsubscribe: Array<() => void> = []
  readonly #handlers = new Map<string, SignalingHandler>()
  readonly #pending = new Map<string, Pending>()
  readonly #handled = new RememberedRequests()
  readonly #handling = new Map<string, number>()
  readonly #life = new AbortController()
  #busy = 0

  constructor(options: SignalingHubOptions) {
    this.#options = options
    this.handle('echo', (_from, body) => body)
  }

  /** Adds a channel; those added earlier are preferred. */
  attach(channel: SignalingChannel): void {
    this.#channels.push(channel)
    this.#unsubscribe.push(
      channel.onMessage((from, message) => {
        this.#receive(from, message)
      })
    )
  }

  reaches(peerId: string): boolean {
    return this.#channels.some((channel) => channel.reaches(peerId))
  }

  handle(kind: string, handler: SignalingHandler): () => void {
    if (this.#handlers.has(kind)) throw new TypeError(`There is a handler of ${kind} already`)
    this.#handlers.set(kind, handler)
    return () => {
      if (this.#handlers.get(kind) === handler) this.#handlers.delete(kind)
    }
  }

  async notify(toPeerId: string, kind: string, body: SignalingBody, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const ending = joinSignals(signal, this.#life.signal)
    try {
      await this.#send(toPeerId, encodeSignal({ kind, body }), ending.signal)
    } finally {
      ending.release()
    }
  }

  async request(
    toPeerId: string,
    kind: string,
    body: SignalingBody,
    { signal, timeoutMs = REQUEST_TIMEOUT_MS }: SignalingRequestOptions
  ): Promise<SignalingBody> {
    checkPositive({ timeoutMs }, 'timeoutMs')
    const { clock } = this.#options
    const id = randomBytes(12).toString('base64url')
    const late = (): Error =>
      coreErrors.create('ERR_SIGNAL_NO_ANSWER', `${toPeerId.slice(0, 12)}… did not answer ${kind} within ${timeoutMs} ms`, {
        details: { peerId: toPeerId, kind }
      })
    const limit = limitedSignal(clock, timeoutMs, late, signal, this.#life.signal)
    const answer = waitFor<SignalingBody>(limit.signal, (resolve, reject) => {
      const message = encodeSignal({ kind, id, body })
      this.#pending.set(id, {
        peerId: toPeerId,
        answered: ({ body: said, error }) => {
          if (error === undefined) {
            resolve(said ?? {})
            return
          }
          const { code, message: reason } = error
          reject(
            coreErrors.create('ERR_SIGNAL_REFUSED', `The other device refused ${kind}: ${reason}`, { details: { code, message: reason } })
          )
        }
      })
      const cancelRepeat = clock.after(timeoutMs / 3, () => {
        this.#send(toPeerId, message, limit.signal, 1).catch(() => {})
      })
      this.#send(toPeerId, message, limit.signal).catch(reject)
      return () => {
        cancelRepeat()
        this.#pending.delete(id)
      }
    })
    return await answer.finally(limit.release)
  }

  /** Ends everything; running requests reject with the reason. */
  close(reason: unknown): void {
    this.#life.abort(reason)
    for (const end of this.#unsubscribe) end()
    this.#handlers.clear()
    this.#handled.clear()
  }

  /** @param rotate begins with a later one of the channels that reach the peer */
  async #send(peerId: string, message: Uint8Array, signal: AbortSignal, rotate = 0): Promise<void> {
    signal.throwIfAborted()
    const refusal = this.#options.refuses?.(peerId)
    if (refusal !== undefined) throw accessRefused(`${peerId.slice(0, 12)}…`, refusal)
    const reaching = this.#channels.filter((channel) => channel.reaches(peerId))
    const errors: unknown[] = []
    for (let index = 0; index < reaching.length; index++) {
      const channel = reaching[(index + rotate) % reaching.length] as SignalingChannel
      try {
        await channel.send(peerId, message, { signal })
        return
      } catch (error) {
        signal.throwIfAborted()
        errors.push(error)
      }
    }
    throw coreErrors.create(
      'ERR_SIGNAL_UNREACHABLE',
      errors.length === 0
        ? `No signalling channel reaches ${peerId.slice(0, 12)}…`
        : `No message gets to ${peerId.slice(0, 12)}…: ${errors.map((error) => (error instanceof Error ? error.message : String(error))).join('; ')}`,
      { details: { peerId }, ...(errors.length === 0 ? {} : { cause: new AggregateError(errors) }) }
    )
  }

  #receive(from: string, bytes: Uint8Array): void {
    if (this.#life.signal.aborted) return
    const refusal = this.#options.refuses?.(from)
    if (refusal !== undefined) {
      this.#options.logger.debug('a signalling message was ignored', { from, reason: refusal })
      return
    }
    const signal = decodeSignal(bytes)
    if (signal === undefined) {
      this.#options.logger.debug('a malformed signalling message was ignored', { from, bytes: bytes.length })
      return
    }
    if (signal.answers !== undefined) {
      const pending = this.#pending.get(signal.answers)
      if (pending?.peerId === from) pending.answered(signal)
      return
    }
    if (signal.id === undefined) {
      this.#run(from, signal, () => {})
      return
    }
    const known = this.#handled.get(from, signal.id)
    const answer = (message: Uint8Array): void => {
      this.#send(from, message, this.#life.signal).catch((error: unknown) => {
        this.#options.logger.debug('an answer could not be sent', { to: from, error })
      })
    }
    if (known !== undefined) {
      if (known.answer !== undefined) answer(known.answer)
      return
    }
    const { id } = signal
    const handled = this.#handled.add(from, id)
    this.#run(from, signal, (result) => {
      handled.answer = encodeSignal({ answers: id, ...result })
      answer(handled.answer)
    })
  }

  #run(from: string, { kind = '', body = {} }: Signal, answer: (result: Pick<Signal, 'body' | 'error'>) => void): void {
    const { clock, logger } = this.#options
    const handler = this.#handlers.get(kind)
    if (handler === undefined) {
      answer({ error: { code: 'ERR_SIGNAL_UNKNOWN', message: `this device does not handle ${kind}` } })
      return
    }
    const own = this.#handling.get(from) ?? 0
    if (this.#busy >= MAX_HANDLING || own >= MAX_HANDLING_PER_PEER) {
      answer({ error: { code: 'ERR_SIGNAL_BUSY', message: 'too many requests at a time' } })
      return
    }
    this.#busy++
    this.#handling.set(from, own + 1)
    withDeadline(async (signal) => await handler(from, body, { signal }), {
      clock,
      ms: HANDLER_DEADLINE_MS,
      what: `Handling ${kind}`,
      signal: this.#life.signal
    })
      .then((result) => {
        if (result !== undefined) answer({ body: result })
      })
      .catch((error: unknown) => {
        if (this.#life.signal.aborted) return
        logger.info(`a request of a peer was refused`, { from, kind, error })
        answer({ error: refusal(error) })
      })
      .finally(() => {
        this.#busy--
        const left = (this.#handling.get(from) ?? 1) - 1
        if (left === 0) this.#handling.delete(from)
        else this.#handling.set(from, left)
      })
  }
}

/** What a peer is told of an error. Those of the operating system may name addresses of this network, which are none of its business. */
function refusal(error: unknown): { readonly code: string; readonly message: string } {
  const code = errorCode(error)
  if (code?.startsWith('ERR_') !== true || !(error instanceof Error)) return { code: 'ERR_SIGNAL_FAILED', message: 'it failed' }
  return { code, message: error.message.slice(0, 500) }
}
