import type { IncomingRequest } from '@kithmesh/blip'
import { channelErrors } from '../errors.ts'
import { CHANNEL_DOMAIN } from '../profiles.ts'
import { type ReceivedPacket, parsePacket } from './packet.ts'

export interface PacketInboxOptions<Source> {
  readonly window: number
  readonly windowBytes: number
  readonly maxPacketBytes: number
  /**
   * Handles a packet; the next one is handled when the promise has settled. The number is a code: 0 for done, otherwise why it is refused.
   * Never rejects.
   */
  readonly handle: (packet: ReceivedPacket, source: Source) => number | Promise<number>
}

interface Pending<Source> {
  readonly packet: ReceivedPacket
  readonly source: Source
  /** Whom to tell, over which connections. */
  readonly requests: IncomingRequest[]
}

/**
 * Packets of the peer: each is handled once, in the order of their numbers, one after the other, over however many connections they come; the
 * answer to each says that it was handled.
 */
export class PacketInbox<Source> {
  readonly #options: PacketInboxOptions<Source>
  readonly #pending = new Map<number, Pending<Source>>()
  #pendingBytes = 0
  /** Everything up to here has been handled. */
  #received = 0
  /** The last ones that were refused, with their code. */
  #refused = new Map<number, number>()
  #busy = false
  /** Which of the peer's channels the numbers are of. */
  #era = 0

  constructor(options: PacketInboxOptions<Source>) {
    this.#options = options
  }

  get received(): number {
    return this.#received
  }

  get refused(): ReadonlyMap<number, number> {
    return this.#refused
  }

  /** @throws ERR_CHANNEL_PROTOCOL */
  receive(request: IncomingRequest, source: Source): void {
    const packet = parsePacket(request)
    const { sequence, body } = packet
    if (sequence <= this.#received) {
      this.#answer(request, this.#refused.get(sequence) ?? 0)
      return
    }
    const known = this.#pending.get(sequence)
    if (known !== undefined) {
      if (known.requests.length > 4) known.requests.shift()
      known.requests.push(request)
      return
    }
    const { window, windowBytes, maxPacketBytes } = this.#options
    if (sequence > this.#received + window) throw beyond(`number ${sequence} after ${this.#received}`)
    if (body.length > maxPacketBytes) throw beyond(`${body.length} bytes at once`)
    if (this.#pending.size > 0 && this.#pendingBytes + body.length > windowBytes) throw beyond(`more than ${windowBytes} bytes`)
    this.#pending.set(sequence, { packet, source, requests: [request] })
    this.#pendingBytes += body.length
    void this.#run()
  }

  /** The peer's channel is another one: numbers begin anew, and nothing of the old one is handled any more. */
  restart(): void {
    this.#era++
    this.#pending.clear()
    this.#pendingBytes = 0
    this.#received = 0
    this.#refused.clear()
    this.#busy = false
  }

  async #run(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    const era = this.#era
    for (;;) {
      const next = this.#pending.get(this.#received + 1)
      if (next === undefined) break
      const result = this.#options.handle(next.packet, next.source)
      const code = typeof result === 'number' ? result : await result
      if (era !== this.#era) return
      const { sequence, body } = next.packet
      this.#pending.delete(sequence)
      this.#pendingBytes -= body.length
      this.#received = sequence
      if (code !== 0) this.#refused.set(sequence, code)
      const [oldest] = this.#refused.keys()
      if (oldest !== undefined && oldest <= sequence - this.#options.window) this.#refused.delete(oldest)
      for (const request of next.requests) this.#answer(request, code)
    }
    this.#busy = false
  }

  #answer(request: IncomingRequest, code: number): void {
    if (code === 0) request.respond()
    else request.respondError(CHANNEL_DOMAIN, code)
  }
}

function beyond(what: string): Error {
  return channelErrors.create('ERR_CHANNEL_PROTOCOL', `The peer sent ${what}, beyond what it was told it may`)
}
