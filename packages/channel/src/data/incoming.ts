import { type Hash, createHash } from 'node:crypto'
import type { Reply } from '@kithmesh/blip'
import { type Clock, type Logger, isKithmeshError } from '@kithmesh/core'
import type { Attachment } from '../connection/attachment.ts'
import { cutReason } from '../connection/trust-word.ts'
import { channelErrors } from '../errors.ts'
import type { ChannelLimits } from '../limits.ts'
import { CHANNEL_DOMAIN, PULL } from '../profiles.ts'
import type { DataSink } from './contracts.ts'
import { TransferState } from './transfer-state.ts'
import { type OfferFacts, pullProperties, readChunk } from './wire.ts'

/** Answers without bytes in a row that a source with nothing to give may send. */
const MAX_EMPTY = 1_000

/** A sink that is being filled, with what was there already. */
export interface OpenSink extends DataSink {
  /** Where to begin: what is before is there already. @default 0 */
  readonly offset?: number
  /** Of what is before `offset`. */
  readonly hash?: Hash
}

export interface IncomingOptions {
  readonly id: string
  readonly peerId: string
  readonly facts: OfferFacts
  readonly limits: ChannelLimits
  readonly clock: Clock
  readonly logger: Logger
  /** Makes the sink ready, when it is this transfer's turn. */
  readonly open: (signal: AbortSignal) => Promise<OpenSink>
  /** Where to ask for more now. */
  readonly connection: () => Attachment | undefined
  readonly done: (bytes: number, sha256: string) => void
  /** Tells the peer that it is not wanted, or not any more. */
  readonly refuse: (reason: string) => void
  readonly ended: (transfer: IncomingTransfer) => void
}

/** A file or stream that is taken from the peer: asked for in chunks, a bounded number ahead of what is stored. */
export class IncomingTransfer extends TransferState {
  readonly direction = 'incoming'
  readonly #options: IncomingOptions
  readonly #stop = new AbortController()
  size: number | undefined
  #sink: OpenSink | undefined
  #hash: Hash | undefined
  /** Which beginning the pulls belong to, over which connection, and how many are unanswered. */
  #run = 0
  #attachment: Attachment | undefined
  #asked = 0
  /** What arrived and is not stored, by offset. */
  #ready = new Map<number, Buffer>()
  /** What has to come next: behind all that is stored or being stored. */
  #next = 0
  #writing = false
  /** Chunks that the sink has and is not done with. */
  #storing = 0
  #end: { readonly at: number; readonly sha256: string } | undefined
  #empty = 0
  #cancelIdle: (() => void) | undefined

  constructor(options: IncomingOptions) {
    super(options.id, options.peerId, options.facts.name, options.logger)
    this.#options = options
    this.size = options.facts.size
  }

  /** It is its turn. */
  async start(): Promise<void> {
    try {
      const sink = await this.#options.open(this.#stop.signal)
      if (this.over) {
        await sink.abort?.(this.#stop.signal.reason as Error)
        return
      }
      this.#sink = sink
      this.#hash = sink.hash ?? createHash('sha256')
      this.transferred = sink.offset ?? 0
      this.#next = this.transferred
      this.state = 'active'
      this.progress()
      this.connected()
    } catch (error) {
      this.#giveUp(toSinkError(error), 'it cannot be stored')
    }
  }

  /** The connection is there, or another one. */
  connected(): void {
    const attachment = this.#options.connection()
    if (this.state !== 'active' || attachment === this.#attachment) return
    if (attachment === undefined) this.disconnected()
    else this.#begin(attachment)
  }

  disconnected(): void {
    this.#attachment = undefined
    this.#run++
    this.#asked = 0
    this.#cancelIdle?.()
  }

  cancel(reason = 'cancelled'): void {
    this.#giveUp(channelErrors.create('ERR_CHANNEL_TRANSFER_CANCELLED', `The transfer was cancelled: ${reason}`), cutReason(reason))
  }

  fail(error: Error): void {
    if (!this.failWith(error)) return
    this.disconnected()
    this.#stop.abort(error)
    this.#ready.clear()
    this.#options.ended(this)
    const sink = this.#sink
    this.#sink = undefined
    void (async () => sink?.abort?.(error))().catch((cause: unknown) => {
      this.#options.logger.warn('What is left of a transfer could not be cleared away', { name: this.name, error: cause })
    })
  }

  #begin(attachment: Attachment): void {
    this.#attachment = attachment
    this.#run++
    this.#asked = 0
    this.#ready.clear()
    this.#end = undefined
    this.#watch()
    this.#ask()
  }

  /** Asks for as much as may be ahead of the sink. */
  #ask(): void {
    const { limits, id } = this.#options
    const attachment = this.#attachment
    const run = this.#run
    if (attachment === undefined || this.over) return
    while (this.#asked + this.#ready.size + this.#storing < limits.chunksAhead && this.#end === undefined) {
      this.#asked++
      const properties = pullProperties({ id, run, written: this.#next, max: limits.chunkBytes })
      attachment.blip.request(
        { profile: PULL, properties },
        (reply) => {
          if (run !== this.#run || this.over) return
          this.#asked--
          this.#answered(reply, attachment)
        },
        { maxBodyBytes: limits.chunkBytes }
      )
    }
  }

  #answered(reply: Reply, attachment: Attachment): void {
    if (reply.kind === 'disconnected') return
    if (reply.kind === 'error') {
      if (reply.domain === CHANNEL_DOMAIN && reply.code === 409) {
        if (++this.#empty > MAX_EMPTY) this.fail(unasked('never where they were asked for'))
        else this.#begin(attachment)
        return
      }
      this.fail(
        channelErrors.create('ERR_CHANNEL_SOURCE', `The peer does not give what it offered: ${reply.domain}/${reply.code} ${reply.message}`)
      )
      return
    }
    this.#watch()
    try {
      this.#take(reply.properties, reply.body)
    } catch (error) {
      if (!isKithmeshError(error, 'ERR_CHANNEL_PROTOCOL')) throw error
      attachment.fail(error)
      this.fail(error)
      return
    }
    void this.#store()
    this.#ask()
  }

  /** @throws ERR_CHANNEL_PROTOCOL */
  #take(properties: Readonly<Record<string, string>>, body: Buffer): void {
    const { limits } = this.#options
    const { offset, end } = readChunk(properties)
    const ahead = offset - this.#next
    if (ahead < 0 || ahead > limits.chunkBytes * limits.chunksAhead || this.#ready.has(offset)) throw unasked('from somewhere else')
    if (end !== undefined) {
      if (body.length > 0 || (this.#end !== undefined && (this.#end.at !== offset || this.#end.sha256 !== end)))
        throw unasked('after its end')
      this.#end = { at: offset, sha256: end }
      return
    }
    if (body.length > limits.chunkBytes) throw unasked('more than was asked for')
    if (this.size !== undefined && offset + body.length > this.size) throw unasked('more than was offered')
    if (body.length > 0) {
      this.#empty = 0
      this.#ready.set(offset, body)
    } else if (++this.#empty > MAX_EMPTY) throw unasked('nothing, again and again')
  }

  async #store(): Promise<void> {
    if (this.#writing) return
    this.#writing = true
    try {
      for (;;) {
        const chunk = this.#ready.get(this.#next)
        if (chunk === undefined || this.over) break
        this.#ready.delete(this.#next)
        this.#next += chunk.length
        this.#hash?.update(chunk)
        this.#storing = 1
        await this.#sink?.write(chunk)
        this.#storing = 0
        if (this.over) return
        this.transferred += chunk.length
        this.progress()
        this.#watch()
        this.#ask()
      }
      if (!this.over && this.#end?.at === this.transferred) await this.#complete(this.#end.sha256)
    } catch (error) {
      this.#giveUp(toSinkError(error), 'it cannot be stored')
    } finally {
      this.#writing = false
    }
  }

  async #complete(sent: string): Promise<void> {
    const { facts, done } = this.#options
    const sha256 = this.#hash!.digest('hex')
    const bytes = this.transferred
    this.#cancelIdle?.()
    if (sha256 !== sent || sha256 !== (facts.sha256 ?? sha256) || bytes !== (facts.size ?? bytes)) {
      this.#giveUp(
        channelErrors.create('ERR_CHANNEL_DIGEST', `${this.name} arrived with ${bytes} bytes and another SHA-256 than was offered`, {
          details: { bytes, offered: facts.size, sha256, expected: facts.sha256 ?? sent }
        }),
        'it arrived damaged'
      )
      return
    }
    const path = await this.#sink?.end?.()
    if (this.over) return
    this.#sink = undefined
    this.disconnected()
    this.size = bytes
    done(bytes, sha256)
    this.succeed({ bytes, sha256, ...(path === undefined ? {} : { path }) })
    this.#options.ended(this)
  }

  #giveUp(error: Error, reason: string): void {
    if (this.over) return
    this.#options.refuse(reason)
    this.fail(error)
  }

  /** As long as there is a connection and we do not store, something has to come. */
  #watch(): void {
    const { clock, limits } = this.#options
    this.#cancelIdle?.()
    if (this.#attachment === undefined) return
    this.#cancelIdle = clock.after(limits.transferIdleMs, () => {
      if (this.#writing) this.#watch()
      else
        this.#giveUp(
          channelErrors.create('ERR_CHANNEL_TIMEOUT', `Nothing of ${this.name} came for ${limits.transferIdleMs} ms`),
          'nothing came any more'
        )
    })
  }
}

function unasked(what: string): Error {
  return channelErrors.create('ERR_CHANNEL_PROTOCOL', `The peer sent bytes of a transfer that were not asked for: ${what}`)
}

function toSinkError(cause: unknown): Error {
  if (isKithmeshError(cause)) return cause
  return channelErrors.create(
    'ERR_CHANNEL_SINK',
    `What arrives cannot be stored: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause }
  )
}
