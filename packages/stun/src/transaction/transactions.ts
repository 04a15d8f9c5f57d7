import { type Clock, checkInteger } from '@kithmesh/core/plugin'
import { verifyIntegrity, type ReceivedMessage } from '../codec/decode-message.ts'
import { formatTransportAddress, type TransportAddress } from '../codec/transport-address.ts'
import { stunErrors } from '../errors.ts'
import { checkTime } from './deadline.ts'
import { encodeRequest, type StunRequest, type StunRequestOptions, type StunResponse } from './request.ts'

/** How a request is sent again while there is no answer (RFC 8489 §6.2.1). */
export interface Retransmission {
  /** Until the request is sent the second time; doubles from then on. */
  readonly rtoMs: number
  /** Rc: how often it is sent in all. */
  readonly count: number
}

export interface TransactionSpec extends StunRequestOptions {
  readonly server: TransportAddress
  readonly send: (bytes: Buffer) => void
  /** Undefined over reliable transports: the request is sent once. */
  readonly retransmission: Retransmission | undefined
  /** Whether an answer may come from there. */
  readonly accepts: (from: TransportAddress) => boolean
  /** Called as soon as a success response is there, before whatever follows it is read. */
  readonly onSuccess?: (() => void) | undefined
}

interface Pending {
  readonly spec: TransactionSpec
  readonly request: StunRequest
  readonly receive: (message: ReceivedMessage, from: TransportAddress) => void
  readonly fail: (error: Error) => void
}

/** Ti of RFC 8489 §6.2.2, which is also 79 × RTO, the end of 7 transmissions that begin with an RTO of 500 ms. */
const DEFAULT_DEADLINE_MS = 39_500
/** A bound that no use of it reaches: the wait doubles each time. */
const MAX_TRANSMISSIONS = 32

/** Requests that await their answers; without sockets. */
export class Transactions {
  readonly #clock: Clock
  readonly #limit: number
  readonly #pending = new Map<string, Pending>()
  #ended: Error | undefined

  constructor(clock: Clock, limit = 256) {
    this.#clock = clock
    this.#limit = limit
  }

  get size(): number {
    return this.#pending.size
  }

  /**
   * Sends a request, again and again if need be, until it is answered.
   * @throws ERR_STUN_TIMEOUT, ERR_STUN_INTEGRITY, ERR_STUN_RESPONSE for one with unknown attributes, ERR_STUN_BUSY, what {@link fail} and
   * {@link end} are given, or the signal's reason; TypeError for times that make no sense.
   */
  request(request: StunRequest, spec: TransactionSpec): Promise<StunResponse> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    if (spec.signal?.aborted === true) return Promise.reject(spec.signal.reason as Error)
    if (this.#pending.size >= this.#limit)
      return Promise.reject(stunErrors.create('ERR_STUN_BUSY', `${this.#limit} requests are under way on this socket already`))
    const { transactionId, bytes } = encodeRequest(request)
    const id = transactionId.toString('hex')
    return new Promise((resolve, reject) => {
      const { signal, server, deadlineMs = DEFAULT_DEADLINE_MS, retransmission } = spec
      checkTime('deadlineMs', deadlineMs, 0)
      if (retransmission !== undefined) checkRetransmission(retransmission)
      const start = this.#clock.monotonic()
      let transmissions = 0
      let wrongSignatures = 0
      let cancelRetransmission = (): void => {}
      const finish = (settle: () => void): void => {
        if (!this.#pending.delete(id)) return
        cancelRetransmission()
        cancelDeadline()
        signal?.removeEventListener('abort', onAbort)
        settle()
      }
      const fail = (error: Error): void => {
        finish(() => {
          reject(error)
        })
      }
      const onAbort = (): void => {
        fail(signal?.reason as Error)
      }
      const onDeadline = (): void => {
        const where = formatTransportAddress(server)
        const after = Math.round(this.#clock.monotonic() - start)
        fail(
          wrongSignatures > 0
            ? stunErrors.create('ERR_STUN_INTEGRITY', `${where} did not sign its answer to ${request.method} with our password`)
            : stunErrors.create('ERR_STUN_TIMEOUT', `${where} did not answer ${request.method} within ${after} ms`, {
                details: { server: where, method: request.method, ms: after, transmissions }
              })
        )
      }
      // After a stall of the program timers come before what has arrived meanwhile: that is read first.
      const onTimer = (): void => {
        setImmediate(onDeadline)
      }
      const transmit = (): void => {
        transmissions++
        if (retransmission !== undefined) {
          const last = transmissions >= retransmission.count
          // Rm: after the last transmission the wait is 16 times the first RTO.
          const wait = last ? 16 * retransmission.rtoMs : retransmission.rtoMs * 2 ** (transmissions - 1)
          cancelRetransmission = this.#clock.after(wait, last ? onTimer : transmit)
        }
        spec.send(bytes)
      }
      const receive = (message: ReceivedMessage, from: TransportAddress): void => {
        if (!isSigned(message, request)) {
          wrongSignatures++
          if (retransmission === undefined) onDeadline()
          return
        }
        const roundTripMs = this.#clock.monotonic() - start
        if (message.unknownRequired.length > 0) {
          const types = message.unknownRequired.map((type) => `0x${type.toString(16).padStart(4, '0')}`)
          fail(
            stunErrors.create(
              'ERR_STUN_RESPONSE',
              `${formatTransportAddress(from)} answered with attributes that are not understood: ${types.join(', ')}`,
              {
                details: { unknownAttributes: message.unknownRequired }
              }
            )
          )
          return
        }
        finish(() => {
          if (message.messageClass === 'success') spec.onSuccess?.()
          resolve({ message, from, roundTripMs, transmissions })
        })
      }
      this.#pending.set(id, { spec, request, receive, fail })
      const cancelDeadline = this.#clock.after(deadlineMs, onTimer)
      signal?.addEventListener('abort', onAbort, { once: true })
      transmit()
    })
  }

  /** Takes a response to its request; false when there is none it could belong to. */
  receive(message: ReceivedMessage, from: TransportAddress): boolean {
    if (message.messageClass !== 'success' && message.messageClass !== 'error') return false
    const id = Buffer.from(message.transactionId).toString('hex')
    const pending = this.#pending.get(id)
    if (pending === undefined || pending.request.method !== message.method || !pending.spec.accepts(from)) return false
    pending.receive(message, from)
    return true
  }

  /** Ends the requests to one server, or with these bytes on their way, with an error. */
  fail(error: Error, concerns: (server: TransportAddress) => boolean): void {
    for (const { spec, fail } of [...this.#pending.values()]) if (concerns(spec.server)) fail(error)
  }

  /** Ends all requests, and refuses new ones, with an error. */
  end(error: Error): void {
    this.#ended ??= error
    for (const { fail } of [...this.#pending.values()]) fail(error)
  }
}

function checkRetransmission({ rtoMs, count }: Retransmission): void {
  checkTime('rtoMs', rtoMs)
  checkInteger('transmissions', count, 1, MAX_TRANSMISSIONS)
}

function isSigned(message: ReceivedMessage, { integrity }: StunRequest): boolean {
  if (integrity === undefined) return true
  const unsigned = message.messageClass === 'error' && !message.signed.sha1 && !message.signed.sha256
  return unsigned || verifyIntegrity(message, integrity)
}
