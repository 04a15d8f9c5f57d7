import type { Logger } from '@kithmesh/core'
import type { IncomingRequest } from './contracts.ts'
import { ReceivedRequest, type Responder } from './received-request.ts'
import type { ReceivedMessage } from './received-message.ts'
import { messageOf } from './pending-reply.ts'

/** A waiting request costs this much beyond its body. */
const REQUEST_COST = 512

export interface DispatcherOwner extends Responder {
  readonly ending: boolean
  /** Counts the bytes of a waiting request. @throws ERR_BLIP_LIMIT */
  hold(bytes: number): void
  release(bytes: number): void
  /** A request began or ceased to wait. */
  waitingChanged(): void
}

/** Gives received requests to their handlers, in order, a limited number at a time (blip.md §5, §13). */
export class Dispatcher {
  private readonly owner: DispatcherOwner
  private readonly maxActive: number
  private readonly logger: Logger
  private readonly handlers = new Map<string, (request: IncomingRequest) => void>()
  private active = 0
  /** From `first` on. What was taken is let go of at once, since its body holds what was read from the socket with it; the front is cut off now and then. */
  private waiting: (ReceivedRequest | undefined)[] = []
  private first = 0
  private draining = false
  private drainScheduled = false

  constructor(owner: DispatcherOwner, maxActive: number, logger: Logger) {
    this.owner = owner
    this.maxActive = maxActive
    this.logger = logger
  }

  /** @throws TypeError when the profile has a handler already: two parts that share a connection must not take each other's requests. */
  handle(profile: string, handler: (request: IncomingRequest) => void): void {
    if (this.handlers.has(profile)) throw new TypeError(`The profile "${profile}" has a handler already`)
    this.handlers.set(profile, handler)
  }

  /** Whether requests wait because too many are being handled. */
  get hasWaiting(): boolean {
    return this.first < this.waiting.length
  }

  receive(message: ReceivedMessage): void {
    const request = new ReceivedRequest(message.number, message.flags, message.properties, message.body, this.owner)
    if (!request.noReply) this.active++
    if (message.tooLarge) request.respondError('BLIP', 413, 'The message is too large')
    else if (this.active > this.maxActive || this.hasWaiting) {
      if (!request.noReply) this.active--
      this.waiting.push(request)
      this.owner.hold(request.body.length + REQUEST_COST)
      this.owner.waitingChanged()
    } else this.run(request)
  }

  /** The answer to a request that was given to its handler is on its way. */
  answered(): void {
    this.active--
    if (!this.hasWaiting || this.draining || this.drainScheduled) return
    this.drainScheduled = true
    queueMicrotask(() => {
      this.drainScheduled = false
      this.drain()
    })
  }

  clear(): void {
    this.waiting = []
    this.first = 0
  }

  private drain(): void {
    this.draining = true
    while (this.hasWaiting && this.active < this.maxActive && !this.owner.ending) {
      const request = this.take()
      if (!request.noReply) this.active++
      this.owner.release(request.body.length + REQUEST_COST)
      this.run(request)
    }
    this.draining = false
    this.owner.waitingChanged()
  }

  private take(): ReceivedRequest {
    const request = this.waiting[this.first]!
    this.waiting[this.first++] = undefined
    if (this.first > 1024) {
      this.waiting = this.waiting.slice(this.first)
      this.first = 0
    }
    return request
  }

  private run(request: ReceivedRequest): void {
    const handler = this.handlers.get(request.profile)
    if (handler === undefined) {
      // blip.md §12: the keep-alive of clients that cannot send WebSocket pings.
      if (request.profile === 'PING') {
        request.respond()
        return
      }
      request.respondError('BLIP', 404, 'No handler for BLIP request')
      return
    }
    try {
      const result: unknown = handler(request)
      if (result instanceof Promise)
        result.catch((error: unknown) => {
          this.handlerFailed(request, error)
        })
    } catch (error) {
      this.handlerFailed(request, error)
    }
  }

  private handlerFailed(request: ReceivedRequest, error: unknown): void {
    this.logger.error('A request handler failed', { profile: request.profile, error })
    request.respondError('BLIP', 501, messageOf(error))
  }
}
