import type { SocketCloseInfo } from '@kithmesh/core'
import type { BlipPeer, IncomingRequest, OutgoingMessage, OutgoingRequest, Reply, RequestOptions } from '@kithmesh/blip'
import {
  Answer,
  Close,
  NO_BODY,
  OVERHEAD_BYTES,
  PING,
  PONG,
  RESET,
  Request,
  asBuffer,
  collect,
  inPieces,
  sentProperties,
  sizeOf
} from './blip-messages.ts'
import type { Pipe, PipeEnd } from './pipe.ts'
import { ReceivedRequest } from './received-request.ts'

/** How long the closing handshake may take. */
const CLOSE_MS = 5_000

/** What an end needs of its surroundings. */
export interface BlipEndOptions {
  /** Milliseconds that only grow. */
  readonly now: () => number
  /** Calls a function after that many milliseconds; the returned function cancels it. Dead with its peer. */
  readonly after: (ms: number, run: () => void) => () => void
  /** Silence after which the other end is asked for a sign of life. @default none */
  readonly heartbeatMs?: number | undefined
  /** How long the sign may take. @default heartbeatMs */
  readonly deadMs?: number | undefined
}

/**
 * One end of a BLIP connection of the simulated network: the contract of the real one, without frames. Messages go over by reference; their bytes are counted, uncompressed.
 */
export class BlipEnd implements BlipPeer {
  readonly #pipe: Pipe
  readonly #line: PipeEnd
  readonly #options: BlipEndOptions
  readonly #handlers = new Map<string, (request: IncomingRequest) => void>()
  readonly #waiting = new Set<Request>()
  #listeners: ((info: SocketCloseInfo) => void)[] = []
  #number = 0
  #state: 'open' | 'closing' | 'closed' = 'open'
  #info: SocketCloseInfo | undefined
  #lastHeard: number
  #cancelHeartbeat: (() => void) | undefined
  #cancelProbe: (() => void) | undefined
  #cancelClose: (() => void) | undefined
  #held: unknown[] | undefined
  /** The peer is there at all. */
  #alive = true

  constructor(pipe: Pipe, line: PipeEnd, options: BlipEndOptions) {
    this.#pipe = pipe
    this.#line = line
    this.#options = options
    this.#lastHeard = options.now()
    line.receive = (message) => {
      this.#receive(message)
    }
    if (options.heartbeatMs !== undefined) this.#watch(options.heartbeatMs)
  }

  get closed(): boolean {
    return this.#state === 'closed'
  }
  get unansweredRequests(): number {
    return this.#waiting.size
  }
  get bytesSent(): number {
    return this.#line.bytesSent
  }
  get messagesSent(): number {
    return this.#line.messagesSent
  }

  handle(profile: string, handler: (request: IncomingRequest) => void): void {
    if (this.#handlers.has(profile)) throw new TypeError(`The profile "${profile}" has a handler already`)
    this.#handlers.set(profile, handler)
  }

  onClosed(listener: (info: SocketCloseInfo) => void): void {
    if (this.#info !== undefined) {
      const info = this.#info
      queueMicrotask(() => {
        listener(info)
      })
    } else this.#listeners.push(listener)
  }

  request(message: OutgoingRequest, onReply?: (reply: Reply) => void, options?: RequestOptions): void {
    const bytes = OVERHEAD_BYTES + message.profile.length + sizeOf(sentProperties(message))
    const noReply = message.noReply === true
    if (this.#state !== 'open') {
      if (!noReply)
        queueMicrotask(() => {
          onReply?.({ kind: 'disconnected' })
        })
      return
    }
    this.#line.network.count(message.profile)
    const send = (body: Buffer): void => {
      if (this.#state !== 'open') {
        if (!noReply) onReply?.({ kind: 'disconnected' })
        return
      }
      const request = new Request(++this.#number, message, body, onReply, options)
      if (!noReply) this.#waiting.add(request)
      this.#line.send(request, bytes + body.length)
    }
    const { body } = message
    if (body === undefined) send(NO_BODY)
    else if (body instanceof Uint8Array) send(asBuffer(body))
    else
      collect(body).then(send, () => {
        if (!noReply) onReply?.({ kind: 'error', domain: 'BLIP', code: 501, message: 'The body of the request cannot be read' })
      })
  }

  close(code = 1000, reason = ''): void {
    if (this.#state !== 'open') return
    this.#state = 'closing'
    this.#line.send(new Close({ code, reason }), OVERHEAD_BYTES)
    this.#cancelClose = this.#options.after(CLOSE_MS, () => {
      this.terminate()
    })
  }

  /** Cuts the connection at once; the other end notices as soon as packets get there. */
  terminate(error?: Error): void {
    if (this.#state === 'closed') return
    this.#line.send(RESET, OVERHEAD_BYTES)
    this.#end({ code: 1006, reason: '', ...(error === undefined ? {} : { error }) })
  }

  /** Asks for a sign of life, and cuts the connection when none comes in time. */
  probe(withinMs: number): void {
    if (this.#state !== 'open' || this.#cancelProbe !== undefined) return
    const askedAt = this.#options.now()
    this.#line.send(PING, OVERHEAD_BYTES)
    this.#cancelProbe = this.#options.after(withinMs, () => {
      this.#cancelProbe = undefined
      if (this.#lastHeard <= askedAt) this.terminate(new Error(`The other side gave no sign of life within ${withinMs} ms`))
    })
  }

  /** What arrives is kept back, as bytes wait in a socket that nobody reads yet. */
  hold(): void {
    this.#held = []
  }

  /** Hands over what was kept back. */
  release(): void {
    const held = this.#held
    this.#held = undefined
    for (const message of held ?? []) this.#receive(message)
  }

  /** The peer of this end is gone without a word. */
  abandon(): void {
    this.#alive = false
    this.#state = 'closed'
    this.#waiting.clear()
    this.#listeners = []
    this.#handlers.clear()
  }

  #watch(heartbeatMs: number, inMs = heartbeatMs): void {
    this.#cancelHeartbeat = this.#options.after(inMs, () => {
      if (this.#state !== 'open') return
      const silence = this.#options.now() - this.#lastHeard
      if (silence >= heartbeatMs) this.probe(this.#options.deadMs ?? heartbeatMs)
      this.#watch(heartbeatMs, silence >= heartbeatMs ? heartbeatMs : heartbeatMs - silence)
    })
  }

  #receive(message: unknown): void {
    if (!this.#alive) return
    if (this.#held !== undefined) {
      this.#held.push(message)
      return
    }
    this.#lastHeard = this.#options.now()
    if (message instanceof Request) this.#take(message)
    else if (message instanceof Answer) this.#finish(message.to, message.reply)
    else if (message === PING) this.#line.send(PONG, OVERHEAD_BYTES)
    else if (message instanceof Close) this.#onClose(message.info)
    else if (message === RESET) this.#end({ code: 1006, reason: '' })
  }

  #onClose(info: SocketCloseInfo): void {
    if (this.#state === 'open') this.#line.send(new Close(info), OVERHEAD_BYTES)
    this.#end(info)
  }

  #end(info: SocketCloseInfo): void {
    if (this.#info !== undefined) return
    this.#state = 'closed'
    this.#info = info
    this.#cancelHeartbeat?.()
    this.#cancelProbe?.()
    this.#cancelClose?.()
    this.#pipe.leave(this.#line)
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    const listeners = this.#listeners
    this.#listeners = []
    queueMicrotask(() => {
      for (const { onReply } of waiting) onReply?.({ kind: 'disconnected' })
      for (const listener of listeners) listener(info)
    })
  }

  #take(request: Request): void {
    if (this.#state !== 'open') return
    const handler = this.#handlers.get(request.profile)
    const received = new ReceivedRequest(request, this)
    if (handler === undefined && request.profile === 'PING') received.respond()
    else if (handler === undefined) received.respondError('BLIP', 404, 'no handler for message')
    else handler(received)
  }

  /** @internal */
  answer(request: Request, reply: OutgoingMessage): void {
    if (this.#state !== 'open') {
      if (reply.body !== undefined && 'close' in reply.body) reply.body.close()
      return
    }
    const properties = sentProperties(reply)
    const send = (body: Buffer): void => {
      this.#line.send(new Answer(request, { kind: 'ok', properties, body }), OVERHEAD_BYTES + sizeOf(properties) + body.length)
    }
    const { body } = reply
    if (body === undefined) send(NO_BODY)
    else if (body instanceof Uint8Array) send(asBuffer(body))
    else
      collect(body).then(send, () => {
        this.answerError(request, 'BLIP', 501, 'The body of the reply cannot be read')
      })
  }

  /** @internal */
  answerError(request: Request, domain: string, code: number, message: string): void {
    if (this.#state === 'open')
      this.#line.send(new Answer(request, { kind: 'error', domain, code, message }), OVERHEAD_BYTES + domain.length + message.length)
  }

  #finish(request: Request, reply: Reply): void {
    if (this.#state !== 'open' || !this.#waiting.delete(request)) return
    const { onReply, options } = request
    if (options === undefined || reply.kind !== 'ok') onReply?.(reply)
    else if (options.maxBodyBytes !== undefined && reply.body.length > options.maxBodyBytes)
      onReply?.({ kind: 'error', domain: 'BLIP', code: 413, message: 'The reply is too large' })
    else if (options.onBody === undefined) onReply?.(reply)
    else {
      inPieces(reply.body, options.onBody).then(
        () => onReply?.({ ...reply, body: NO_BODY }),
        (error: unknown) =>
          onReply?.({ kind: 'error', domain: 'BLIP', code: 501, message: `The reply could not be taken: ${String(error)}` })
      )
    }
  }
}
