import type { BlipPeer, IncomingRequest } from '@kithmesh/blip'
import type { JsonObject } from '../json.ts'
import { channelErrors } from '../errors.ts'
import type { ChannelLimits } from '../limits.ts'
import { CHANNEL_VERSION, HELLO } from '../profiles.ts'
import { type Hello, encodeHello, parseHello } from './hello.ts'

/** What this side says of itself. */
export type OwnHello = Pick<Hello, 'session' | 'peer' | 'received' | 'refused' | 'proof' | 'protocols' | 'trustMs'>

export interface GreetingOptions {
  readonly blip: BlipPeer
  readonly own: OwnHello
  readonly limits: ChannelLimits
  readonly program: JsonObject
  /** Both hellos have arrived. */
  readonly met: (remote: Hello) => void
  /** The peer knows no channels. */
  readonly foreign: () => void
  readonly failed: (error: Error) => void
}

/** The exchange of hellos: each side sends one, and answers the other's. */
export class Greeting {
  readonly #options: GreetingOptions
  #remote: Hello | undefined
  #answered = false
  /** Whether the peer answered that it knows no hellos. */
  isForeign = false

  constructor(options: GreetingOptions) {
    this.#options = options
  }

  /** The peer's hello, once ours was answered too. */
  get remote(): Hello | undefined {
    return this.#answered ? this.#remote : undefined
  }

  /** @throws TypeError when what the program says is too long */
  send(): void {
    const { blip, own, limits, program, foreign, failed } = this.#options
    const { window, windowBytes, maxPacketBytes } = limits
    const body = encodeHello({ version: CHANNEL_VERSION, ...own, window, windowBytes, maxPacketBytes, hello: program })
    blip.request({ profile: HELLO, body }, (reply) => {
      if (reply.kind === 'ok') {
        this.#answered = true
        this.#meet()
      } else if (reply.kind === 'error' && reply.domain === 'BLIP' && reply.code === 404) {
        this.isForeign = true
        foreign()
      } else if (reply.kind === 'error')
        failed(
          channelErrors.create('ERR_CHANNEL_PROTOCOL', `The peer does not take our hello: ${reply.domain}/${reply.code} ${reply.message}`)
        )
    })
  }

  /** @throws ERR_CHANNEL_PROTOCOL */
  receive(request: IncomingRequest): void {
    if (this.isForeign) return
    if (this.#remote !== undefined) throw channelErrors.create('ERR_CHANNEL_PROTOCOL', 'The peer said hello twice')
    this.#remote = parseHello(request.body)
    request.respond()
    this.#meet()
  }

  #meet(): void {
    if (this.remote !== undefined) this.#options.met(this.remote)
  }
}
