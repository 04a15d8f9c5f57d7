import type { BlipPeer, IncomingRequest } from '@kithmesh/blip'
import type { Clock, Logger } from '@kithmesh/core'
import { TokenBucket } from '@kithmesh/core/plugin'
import type { ControlBody, ControlHandler } from '../contracts.ts'
import { CHANNEL_DOMAIN, CONTROL } from '../profiles.ts'
import { type JsonValue, jsonBytes, parseJson } from '../json.ts'
import type { ChannelLimits } from '../limits.ts'

/** What the control messages of one connection need of it. */
export interface ControlsOwner {
  readonly blip: BlipPeer
  readonly limits: ChannelLimits
  readonly clock: Clock
  readonly logger: Logger
  /** Whether the peer's control messages are wanted. */
  readonly accepting: boolean
  dropped(): void
}

/** Small messages between the programs that keep the connection: in order, once, bounded in size and number; gone with the connection. */
export class Controls {
  readonly #owner: ControlsOwner
  readonly #handlers = new Map<string, ControlHandler>()
  readonly #rate: TokenBucket
  #unanswered = 0

  constructor(owner: ControlsOwner) {
    this.#owner = owner
    const { clock, limits } = owner
    this.#rate = new TokenBucket({ burst: limits.controlBurst, perMinute: limits.controlsPerMinute }, clock)
  }

  on(name: string, handler: ControlHandler): void {
    checkName(name)
    this.#handlers.set(name, handler)
  }

  /** @returns false when too many are unanswered. @throws TypeError */
  send(name: string, body: ControlBody): boolean {
    checkName(name)
    const { blip, limits } = this.#owner
    const binary = body instanceof Uint8Array
    const bytes = binary ? body : jsonBytes(body)
    if (bytes.length > limits.maxControlBytes)
      throw new TypeError(`The control message ${name} has ${bytes.length} bytes, ${limits.maxControlBytes} are allowed`)
    if (this.#unanswered >= limits.maxControlsUnanswered) return false
    this.#unanswered++
    blip.request({ profile: CONTROL, properties: { Name: name, ...(binary ? { Form: 'binary' } : {}) }, body: bytes }, () => {
      this.#unanswered--
    })
    return true
  }

  /** @throws ERR_CHANNEL_PROTOCOL */
  receive(request: IncomingRequest): void {
    const { limits, logger } = this.#owner
    const handler = this.#handlers.get(request.properties['Name'] ?? '')
    if (!this.#owner.accepting || handler === undefined) {
      this.#owner.dropped()
      request.respondError(CHANNEL_DOMAIN, this.#owner.accepting ? 404 : 403)
      return
    }
    const tooLong = request.body.length > limits.maxControlBytes
    if (tooLong || !this.#rate.take()) {
      this.#owner.dropped()
      request.respondError(CHANNEL_DOMAIN, tooLong ? 413 : 429)
      return
    }
    const body: JsonValue | Buffer =
      request.properties['Form'] === 'binary' ? request.body : parseJson(request.body, limits.maxControlBytes, 'A control message')
    request.respond()
    try {
      handler(body)
    } catch (error) {
      logger.error('The handler of a control message failed', { name: request.properties['Name'], error })
    }
  }
}

function checkName(name: string): void {
  if (typeof name !== 'string' || !/^[!-~]{1,64}$/.test(name))
    throw new TypeError('The name of a control message is 1 to 64 printable ASCII characters without spaces')
}
