import type { IncomingRequest, OutgoingMessage, Properties } from '@kithmesh/blip'
import type { Request } from './blip-messages.ts'

/** Sends answers. */
export interface Answering {
  answer(request: Request, reply: OutgoingMessage): void
  answerError(request: Request, domain: string, code: number, message: string): void
}

const NO_MESSAGE: OutgoingMessage = Object.freeze({})

/** A request as its receiver sees it. */
export class ReceivedRequest implements IncomingRequest {
  readonly #request: Request
  readonly #end: Answering
  #answered: boolean

  constructor(request: Request, end: Answering) {
    this.#request = request
    this.#end = end
    this.#answered = request.noReply
  }

  get number(): number {
    return this.#request.number
  }
  get profile(): string {
    return this.#request.profile
  }
  get properties(): Properties {
    return this.#request.properties
  }
  get body(): Buffer {
    return this.#request.body
  }
  get noReply(): boolean {
    return this.#request.noReply
  }
  get urgent(): boolean {
    return this.#request.urgent
  }

  respond(reply: OutgoingMessage = NO_MESSAGE): void {
    if (this.#answered) return
    this.#answered = true
    this.#end.answer(this.#request, reply)
  }

  respondError(domain: string, code: number, message = ''): void {
    if (this.#answered) return
    this.#answered = true
    this.#end.answerError(this.#request, domain, code, message)
  }
}
