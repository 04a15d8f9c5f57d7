import type { IncomingRequest, OutgoingMessage, Properties } from './contracts.ts'
import { NO_REPLY, URGENT } from './frame.ts'

/** Where a request's answer goes. */
export interface Responder {
  respond(request: ReceivedRequest, reply: OutgoingMessage): void
  respondError(request: ReceivedRequest, domain: string, code: number, message: string): void
}

/** A whole received request; see {@link IncomingRequest}. */
export class ReceivedRequest implements IncomingRequest {
  readonly number: number
  readonly profile: string
  readonly properties: Properties
  readonly body: Buffer
  readonly noReply: boolean
  readonly urgent: boolean
  answered = false
  private readonly responder: Responder

  constructor(number: number, flags: number, properties: Properties, body: Buffer, responder: Responder) {
    this.number = number
    this.profile = properties.Profile ?? ''
    this.properties = properties
    this.body = body
    this.noReply = (flags & NO_REPLY) !== 0
    this.urgent = (flags & URGENT) !== 0
    this.responder = responder
  }

  respond(reply: OutgoingMessage = {}): void {
    if (!this.answered) this.responder.respond(this, reply)
  }

  respondError(domain: string, code: number, message = ''): void {
    if (!this.answered) this.responder.respondError(this, domain, code, message)
  }
}
