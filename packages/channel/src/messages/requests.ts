import { type Clock, type Logger, errorCode, isKithmeshError } from '@kithmesh/core'
import { checkPositive, Deferred, limitedSignal } from '@kithmesh/core/plugin'
import { type ChannelBody, type ReceivedBody, decodeBody, encodeBody } from '../body.ts'
import { channelErrors } from '../errors.ts'
import { type JsonObject, jsonBytes, parseJsonObject } from '../json.ts'
import type { SendPacketOptions } from '../packets/outbox.ts'
import type { Packet, ReceivedPacket } from '../packets/packet.ts'

/** Answers a request with what it returns; what it throws is told as a failure. */
export type RequestHandler = (
  body: ReceivedBody,
  request: IncomingChannelRequest
) => ChannelBody | undefined | Promise<ChannelBody | undefined>

/** What a handler knows of the request beside its body. */
export interface IncomingChannelRequest {
  readonly name: string
  readonly peerId: string
  /** Aborts when the one who asked does not wait any more, or is gone. */
  readonly signal: AbortSignal
}

export interface RequestCallOptions {
  readonly signal?: AbortSignal
  /** Until the answer; the time without a connection counts. @default 30000 */
  readonly timeoutMs?: number
}

export interface RequestsOptions {
  readonly peerId: string
  readonly clock: Clock
  readonly logger: Logger
  /** Requests of the peer that are being handled; more wait. */
  readonly maxHandled: number
  /** Requests of ours that wait for an answer. */
  readonly maxPending: number
  readonly send: (packet: Packet, options?: SendPacketOptions) => Promise<void>
}

interface Call {
  readonly answer: Deferred<ReceivedBody>
  /** Ends timers and listeners. */
  release: () => void
  /** Its packet has left. */
  sent: boolean
  /** The peer has it. */
  delivered: boolean
}

const MAX_FAILURE_BYTES = 8_192
const MAX_FAILURE_TEXT = 1_000

/** Requests and their answers, on top of packets: both arrive once, and both survive the loss of a connection. */
export class Requests {
  readonly #options: RequestsOptions
  readonly #handlers = new Map<string, RequestHandler>()
  readonly #calls = new Map<string, Call>()
  readonly #handled = new Map<string, AbortController>()
  #lastId = 0
  #slot: Deferred<void> | undefined
  /** Which of the peer's programs asks. */
  #era = 0

  constructor(options: RequestsOptions) {
    this.#options = options
  }

  answer(name: string, handler: RequestHandler): () => void {
    checkName(name)
    if (this.#handlers.has(name)) throw new TypeError(`Requests called ${name} have a handler already`)
    this.#handlers.set(name, handler)
    return () => {
      if (this.#handlers.get(name) === handler) this.#handlers.delete(name)
    }
  }

  call(name: string, body: ChannelBody, { signal, timeoutMs = 30_000 }: RequestCallOptions): Promise<ReceivedBody> {
    checkName(name)
    checkPositive({ timeoutMs }, 'timeoutMs')
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    if (this.#calls.size >= this.#options.maxPending)
      return Promise.reject(channelErrors.create('ERR_CHANNEL_FULL', `${this.#calls.size} requests wait for their answers`))
    const encoded = encodeBody(body)
    const id = String(++this.#lastId)
    const answer = new Deferred<ReceivedBody>()
    const late = (): Error => channelErrors.create('ERR_CHANNEL_TIMEOUT', `The peer did not answer ${name} within ${timeoutMs} ms`)
    const limit = limitedSignal(this.#options.clock, timeoutMs, late, signal)
    limit.signal.addEventListener('abort', () => {
      if (!this.#end(id)) return
      answer.reject(limit.signal.reason)
      if (call.sent) void this.#send({ role: 'cancel', name: '', id, form: 'json', body: jsonBytes({}) }, { always: true })
    })
    const call: Call = { answer, sent: false, delivered: false, release: limit.release }
    this.#calls.set(id, call)
    const onSent = (): void => {
      call.sent = true
    }
    this.#send({ role: 'request', name, id, ...encoded }, { signal: limit.signal, onSent }).then(
      () => {
        call.delivered = true
      },
      (error: unknown) => {
        if (this.#end(id)) answer.reject(error)
      }
    )
    answer.promise.catch(() => {})
    return answer.promise
  }

  /** A packet of the peer; the next one is taken when the promise has settled. */
  receive(packet: ReceivedPacket): void | Promise<void> {
    const { role, id } = packet
    if (role === 'request') return this.#handled.size < this.#options.maxHandled ? this.#start(packet) : this.#startLater(packet)
    if (role === 'cancel') {
      this.#handled.get(id)?.abort(channelErrors.create('ERR_CHANNEL_DISCONNECTED', 'The peer does not wait for the answer any more'))
      return
    }
    const call = this.#calls.get(id)
    if (call === undefined) return
    if (role === 'response') {
      const body = decodeBody(packet)
      this.#end(id)
      call.answer.resolve(body)
    } else {
      const { code, message } = failureOf(packet.body)
      this.#end(id)
      call.answer.reject(
        channelErrors.create('ERR_CHANNEL_REQUEST_FAILED', `The peer could not answer: ${message}`, { details: { code, message } })
      )
    }
  }

  /** The peer's program is another one: nobody there knows of our requests, and nobody waits for answers. */
  restart(error: Error): void {
    for (const [id, call] of [...this.#calls]) {
      // Those that were never sent go to the new one; those without an acknowledgement are rejected with their packets.
      if (!call.delivered) continue
      this.#end(id)
      call.answer.reject(error)
    }
    this.#abandon(error)
  }

  close(error: Error): void {
    for (const [id, call] of [...this.#calls]) {
      this.#end(id)
      call.answer.reject(error)
    }
    this.#abandon(error)
  }

  #abandon(error: Error): void {
    this.#era++
    for (const controller of this.#handled.values()) controller.abort(error)
    this.#handled.clear()
    this.#slot?.resolve()
    this.#slot = undefined
  }

  async #startLater(packet: ReceivedPacket): Promise<void> {
    const era = this.#era
    while (this.#handled.size >= this.#options.maxHandled) {
      this.#slot ??= new Deferred()
      await this.#slot.promise
    }
    if (era === this.#era) this.#start(packet)
  }

  #start(packet: ReceivedPacket): void {
    const { name, id } = packet
    const handler = this.#handlers.get(name)
    if (handler === undefined) {
      this.#fail(id, { code: 'ERR_CHANNEL_REQUEST_FAILED', message: `nobody handles requests called ${name}` })
      return
    }
    const body = decodeBody(packet)
    const controller = new AbortController()
    this.#handled.set(id, controller)
    const { peerId, logger } = this.#options
    // The handler begins now, so that requests begin in their order; its end is not waited for.
    new Promise<ChannelBody | undefined>((resolve) => {
      resolve(handler(body, { name, peerId, signal: controller.signal }))
    })
      .then((result) => {
        if (!this.#done(id, controller)) return
        this.#respond(id, encodeBody(result ?? null))
      })
      .catch((error: unknown) => {
        logger.warn('The handler of a request failed', { name, error })
        if (!this.#done(id, controller) && controller.signal.aborted) return
        this.#fail(id, {
          code: errorCode(error) ?? '',
          message: (error instanceof Error ? error.message : String(error)).slice(0, MAX_FAILURE_TEXT)
        })
      })
  }

  #done(id: string, controller: AbortController): boolean {
    if (this.#handled.get(id) !== controller) return false
    this.#handled.delete(id)
    this.#slot?.resolve()
    this.#slot = undefined
    return !controller.signal.aborted
  }

  #respond(id: string, body: Pick<Packet, 'form' | 'body'>): void {
    this.#send({ role: 'response', name: '', id, ...body }, { always: true }).catch((error: unknown) => {
      if (isKithmeshError(error, 'ERR_CHANNEL_TOO_LARGE')) this.#fail(id, { code: error.code, message: 'the answer is too large' })
      else this.#options.logger.debug('An answer could not be sent', { error })
    })
  }

  #fail(id: string, failure: JsonObject): void {
    this.#send({ role: 'failure', name: '', id, form: 'json', body: jsonBytes(failure) }, { always: true }).catch((error: unknown) => {
      this.#options.logger.debug('A failure could not be told', { error })
    })
  }

  #send(packet: Omit<Packet, 'kind'>, options?: SendPacketOptions): Promise<void> {
    return this.#options.send({ kind: 'message', ...packet }, options)
  }

  #end(id: string): boolean {
    this.#calls.get(id)?.release()
    return this.#calls.delete(id)
  }
}

function failureOf(body: Buffer): { readonly code: string; readonly message: string } {
  const { code, message } = parseJsonObject(body, MAX_FAILURE_BYTES, 'A failure')
  return {
    code: typeof code === 'string' ? code.slice(0, 64) : '',
    message: typeof message === 'string' ? message.slice(0, MAX_FAILURE_TEXT) : ''
  }
}

export function checkName(name: string): void {
  if (typeof name !== 'string' || name === '' || name.length > 256 || name.includes('\0'))
    throw new TypeError('The name of an event or request has 1 to 256 characters and no NUL')
}
