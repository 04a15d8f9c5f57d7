import type { Reply } from '@kithmesh/blip'
import { Deferred } from '@kithmesh/core/plugin'
import { channelErrors } from '../errors.ts'
import { CHANNEL_DOMAIN } from '../profiles.ts'
import type { Packet, SequencedKind } from './packet.ts'

/** How the outbox sends, on the present connection. */
export interface OutboxLink {
  /** What the peer takes: packets and bytes before the first is handled, and the longest packet. */
  readonly window: number
  readonly windowBytes: number
  readonly maxPacketBytes: number
  /** Whether packets of the kind may be sent, now or later; otherwise why not. */
  admits(kind: SequencedKind): 'now' | 'later' | Error
  transmit(packet: Packet, sequence: number, onReply: (reply: Reply) => void): void
}

export interface OutboxLimits {
  /** Packets that wait to be sent. */
  readonly maxQueued: number
  /** Bytes of them. */
  readonly maxQueuedBytes: number
}

export interface SendPacketOptions {
  /** Rejects with its reason; a packet that was not sent before is not sent any more. */
  readonly signal?: AbortSignal | undefined
  /** It leaves for the first time. */
  readonly onSent?: (() => void) | undefined
  /** Waits even when too much does: for what is bounded otherwise. */
  readonly always?: boolean
}

interface Entry {
  readonly packet: Packet
  readonly onSent: (() => void) | undefined
  readonly delivered: Deferred<void>
  /** 0 until it is sent for the first time. */
  sequence: number
  /** The link over which it was sent last. */
  link: OutboxLink | undefined
  release: () => void
}

/** What a packet costs beyond its body. */
const PACKET_COST = 128

/**
 * Packets on their way to the peer: numbered when they are first sent, kept until the peer has handled them, and sent again over the next
 * connection. What waits is bounded, and so is what the peer has to hold.
 */
export class Outbox {
  readonly #limits: OutboxLimits
  #queue: Entry[] = []
  #queuedBytes = 0
  /** Sent and not answered, in order. */
  readonly #inFlight = new Map<number, Entry>()
  #inFlightBytes = 0
  #lastSequence = 0
  #link: OutboxLink | undefined
  #drained: Deferred<void> | undefined
  /** Whether there may be packets that were sent over an earlier link only. */
  #resending = false

  constructor(limits: OutboxLimits) {
    this.#limits = limits
  }

  /** Packets that wait or are unanswered. */
  get size(): number {
    return this.#queue.length + this.#inFlight.size
  }

  /** Whether another packet would be taken. */
  get writable(): boolean {
    return this.#queue.length < this.#limits.maxQueued && this.#queuedBytes < this.#limits.maxQueuedBytes
  }

  /** Resolves when less than half of what may wait does. */
  drained(): Promise<void> {
    if (this.#isRoomy) return Promise.resolve()
    this.#drained ??= new Deferred()
    return this.#drained.promise
  }

  /** Queues a packet. Resolves when the peer has handled it. Its bytes must not change until then. */
  add(packet: Packet, { signal, onSent, always = false }: SendPacketOptions = {}): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    if (!this.writable && !always)
      return Promise.reject(channelErrors.create('ERR_CHANNEL_FULL', `${this.#queue.length} packets wait for the peer already`))
    const entry: Entry = { packet, onSent, delivered: new Deferred(), sequence: 0, link: undefined, release: () => {} }
    // Whoever does not wait for it does not want to know.
    entry.delivered.promise.catch(() => {})
    if (signal !== undefined) {
      const onAbort = (): void => {
        this.#abort(entry, signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      entry.release = () => {
        signal.removeEventListener('abort', onAbort)
      }
    }
    this.#queue.push(entry)
    this.#queuedBytes += costOf(entry)
    this.pump()
    return entry.delivered.promise
  }

  /** Sends over this connection from now on: first what is unanswered. */
  connect(link: OutboxLink): void {
    if (link !== this.#link) this.#resending = true
    this.#link = link
    this.pump()
  }

  disconnect(): void {
    this.#link = undefined
  }

  /** The peer has handled everything up to that number, and refused some of the last. */
  handled(received: number, refused: ReadonlyMap<number, number>): void {
    for (const [sequence, entry] of [...this.#inFlight]) {
      if (sequence > received) break
      const code = refused.get(sequence)
      this.#settle(entry, code === undefined ? undefined : refusal(code, ''))
    }
  }

  /** The peer's channel is another one, which knows nothing of this one. */
  restart(error: Error): void {
    for (const entry of [...this.#inFlight.values()]) this.#settle(entry, error)
    this.#lastSequence = 0
  }

  /** Everything that waits is rejected. */
  close(error: Error): void {
    this.#link = undefined
    const waiting = [...this.#inFlight.values(), ...this.#queue]
    this.#queue = []
    this.#queuedBytes = 0
    for (const entry of waiting) this.#settle(entry, error)
    this.pump()
  }

  /** Sends what can be sent. */
  pump(): void {
    if (this.#link !== undefined) this.#sendOver(this.#link)
    if (!this.#isRoomy) return
    this.#drained?.resolve()
    this.#drained = undefined
  }

  #sendOver(link: OutboxLink): void {
    if (this.#resending) this.#resend(link)
    for (let index = 0; index < this.#queue.length; ) {
      const entry = this.#queue[index]!
      const verdict = this.#admit(entry, link)
      if (verdict === 'full') break
      if (verdict === 'wait') {
        index++
        continue
      }
      this.#queue.splice(index, 1)
      this.#queuedBytes -= costOf(entry)
      if (verdict !== 'send') {
        this.#settle(entry, verdict)
        continue
      }
      entry.sequence = ++this.#lastSequence
      this.#inFlight.set(entry.sequence, entry)
      this.#inFlightBytes += entry.packet.body.length
      entry.onSent?.()
      this.#transmit(entry, link)
    }
  }

  #resend(link: OutboxLink): void {
    this.#resending = false
    for (const entry of this.#inFlight.values()) {
      if (entry.link === link) continue
      if (link.admits(entry.packet.kind) === 'later') this.#resending = true
      else this.#transmit(entry, link)
    }
  }

  get #isRoomy(): boolean {
    return this.#queue.length <= this.#limits.maxQueued / 2 && this.#queuedBytes <= this.#limits.maxQueuedBytes / 2
  }

  #admit({ packet }: Entry, link: OutboxLink): 'send' | 'wait' | 'full' | Error {
    const bytes = packet.body.length
    if (bytes > link.maxPacketBytes)
      return channelErrors.create('ERR_CHANNEL_TOO_LARGE', `The packet has ${bytes} bytes, the peer takes ${link.maxPacketBytes}`)
    const verdict = link.admits(packet.kind)
    if (verdict !== 'now') return verdict === 'later' ? 'wait' : verdict
    if (this.#inFlight.size === 0) return 'send'
    const [lowest] = this.#inFlight.keys()
    const full = this.#lastSequence + 1 - lowest! >= link.window || this.#inFlightBytes + bytes > link.windowBytes
    return full ? 'full' : 'send'
  }

  #transmit(entry: Entry, link: OutboxLink): void {
    entry.link = link
    const { sequence } = entry
    link.transmit(entry.packet, sequence, (reply) => {
      if (reply.kind === 'disconnected' || this.#inFlight.get(sequence) !== entry) return
      if (reply.kind === 'ok') this.#settle(entry, undefined)
      else this.#settle(entry, refusal(reply.domain === CHANNEL_DOMAIN ? reply.code : 0, `${reply.domain}/${reply.code} ${reply.message}`))
      this.pump()
    })
  }

  #settle(entry: Entry, error: Error | undefined): void {
    entry.release()
    if (entry.sequence !== 0 && this.#inFlight.delete(entry.sequence)) this.#inFlightBytes -= entry.packet.body.length
    if (error === undefined) entry.delivered.resolve()
    else entry.delivered.reject(error)
  }

  #abort(entry: Entry, reason: unknown): void {
    entry.release()
    const index = this.#queue.indexOf(entry)
    if (index >= 0) {
      this.#queue.splice(index, 1)
      this.#queuedBytes -= costOf(entry)
    }
    // What was sent stays numbered: the peer waits for it.
    entry.delivered.reject(reason)
    this.pump()
  }
}

function costOf({ packet }: Entry): number {
  return packet.body.length + PACKET_COST
}

function refusal(code: number, text: string): Error {
  if (code === 413) return channelErrors.create('ERR_CHANNEL_TOO_LARGE', 'The peer does not take packets of that size from this side')
  if (code === 429) return channelErrors.create('ERR_CHANNEL_REFUSED', 'The peer has too much to say to this side that was not taken yet')
  if (code === 403) return channelErrors.create('ERR_CHANNEL_REFUSED', 'The trust of the peer does not allow packets of that kind')
  return channelErrors.create('ERR_CHANNEL_REFUSED', `The peer did not take a packet: ${text}`)
}
