import { type Hash, createHash } from 'node:crypto'
import type { IncomingRequest } from '@kithmesh/blip'
import type { Clock, Logger } from '@kithmesh/core'
import { Deferred } from '@kithmesh/core/plugin'
import { channelErrors } from '../errors.ts'
import type { JsonObject } from '../json.ts'
import { MAX_CHUNK_BYTES, MAX_PULLS } from '../limits.ts'
import { CHANNEL_DOMAIN } from '../profiles.ts'
import { cutReason } from '../connection/trust-word.ts'
import type { ChunkSource } from './sources.ts'
import { type PullFacts, readDone } from './wire.ts'
import { TransferState } from './transfer-state.ts'

/** How long a pull is kept waiting for a source that has nothing; then it is answered without bytes, as a sign of life. */
const NOTHING_YET_MS = 20_000

export interface OutgoingOptions {
  readonly id: string
  readonly peerId: string
  readonly name: string
  readonly facts: JsonObject
  readonly source: ChunkSource
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal | undefined
  /** Sends the offer; resolves when the peer has it. */
  readonly offer: (facts: JsonObject, signal: AbortSignal) => Promise<void>
  /** Tells the peer that it is not to be had any more. */
  readonly withdraw: (reason: string) => void
  readonly ended: (transfer: OutgoingTransfer) => void
}

interface Pull {
  readonly facts: PullFacts
  readonly request: IncomingRequest
  readonly live: () => boolean
}

/** A file or stream that is offered to the peer, which asks for it piece by piece. */
export class OutgoingTransfer extends TransferState {
  readonly direction = 'outgoing'
  readonly #options: OutgoingOptions
  readonly #stop = new AbortController()
  readonly #onAbort = (): void => {
    this.cancel('cancelled')
  }
  /** Whether the peer knows of it. */
  offered = false
  /** Which of the receiver's beginnings is served, where it is, and what it asks for. */
  #run = 0
  #cursor = 0
  #furthest = 0
  #pulls: Pull[] = []
  #serving = false
  #released: Deferred<void> | undefined
  /** Ends the wait for a source that has nothing yet. */
  #interrupt: (() => void) | undefined
  /** Of everything up to there. */
  #hash: Hash | undefined
  #hashed = 0
  /** The whole, once its end was reached. */
  #total: { readonly bytes: number; readonly sha256: string } | undefined

  constructor(options: OutgoingOptions) {
    super(options.id, options.peerId, options.name, options.logger)
    this.#options = options
    options.signal?.addEventListener('abort', this.#onAbort, { once: true })
    void this.#begin()
  }

  get size(): number | undefined {
    return this.#options.source.size
  }

  cancel(reason = 'cancelled'): void {
    if (this.over) return
    this.#options.withdraw(cutReason(reason))
    const cause = this.#options.signal?.reason as unknown
    this.fail(channelErrors.create('ERR_CHANNEL_TRANSFER_CANCELLED', `The transfer was cancelled: ${reason}`, { cause }))
  }

  /** The peer has it, or says so. @throws ERR_CHANNEL_PROTOCOL */
  done(facts: JsonObject): void {
    if (this.over) return
    const { bytes, sha256 } = readDone(facts)
    const ours = this.#total?.sha256 ?? this.#options.source.sha256
    if (ours !== sha256) throw channelErrors.create('ERR_CHANNEL_PROTOCOL', 'The peer says it has something that it cannot have')
    this.transferred = bytes
    this.#release()
    this.succeed({ bytes, sha256 })
    this.#options.ended(this)
  }

  fail(error: Error): void {
    if (!this.failWith(error)) return
    this.#release()
    this.#options.ended(this)
  }

  /** Requests for more that are not answered. */
  get waiting(): number {
    return this.#pulls.length
  }

  /** The receiver asks for more. */
  pull(facts: PullFacts, request: IncomingRequest, live: () => boolean): void {
    const furthest = this.#options.source.sha256 === undefined ? this.#furthest : (this.size ?? 0)
    if (facts.run > this.#run && facts.written <= furthest) {
      this.#run = facts.run
      this.#cursor = facts.written
      for (const { request: earlier } of this.#pulls) earlier.respondError(CHANNEL_DOMAIN, 409)
      this.#pulls = []
      this.#released?.resolve()
      this.#interrupt?.()
    }
    if (facts.run !== this.#run || facts.written > this.#cursor) {
      request.respondError(CHANNEL_DOMAIN, 409)
      return
    }
    if (this.#pulls.length >= MAX_PULLS) {
      request.respondError(CHANNEL_DOMAIN, 429)
      return
    }
    this.#options.source.release(facts.written)
    this.#released?.resolve()
    if (facts.written > this.transferred || this.state === 'waiting') {
      this.state = 'active'
      this.transferred = Math.max(this.transferred, facts.written)
      this.progress()
    }
    this.#pulls.push({ facts, request, live })
    void this.#serve()
  }

  async #begin(): Promise<void> {
    const { source, facts, offer, signal } = this.#options
    try {
      signal?.throwIfAborted()
      await source.open(this.#stop.signal)
      if (this.over) return
      const { size, sha256 } = source
      await offer({ ...facts, ...(size === undefined ? {} : { size }), ...(sha256 === undefined ? {} : { sha256 }) }, this.#stop.signal)
      this.offered = true
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  async #serve(): Promise<void> {
    if (this.#serving) return
    this.#serving = true
    try {
      for (let pull = this.#pulls.shift(); pull !== undefined && !this.over; pull = this.#pulls.shift()) {
        if (pull.live()) await this.#answer(pull)
        // Only where it had no answer.
        pull.request.respondError(CHANNEL_DOMAIN, this.over ? 410 : 409)
      }
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error))
      this.#options.withdraw('it cannot be read')
      this.fail(failure)
    }
    this.#serving = false
  }

  async #answer({ facts, request, live }: Pull): Promise<void> {
    const { source } = this.#options
    const offset = this.#cursor
    while (source.blocked(offset)) {
      this.#released = new Deferred()
      await this.#released.promise
      if (this.over || facts.run !== this.#run) return
    }
    const bytes = await this.#read(offset, Math.min(facts.max, MAX_CHUNK_BYTES))
    // What was read for a connection that is gone, or a receiver that began again, is read again.
    if (this.over || facts.run !== this.#run || !live()) return
    if (bytes === undefined) {
      request.respond({ properties: { Offset: String(offset) } })
      return
    }
    this.#digest(offset, bytes)
    this.#cursor = offset + bytes.length
    this.#furthest = Math.max(this.#furthest, this.#cursor)
    if (bytes.length > 0) {
      request.respond({ properties: { Offset: String(offset) }, body: bytes })
      return
    }
    this.#total ??= { bytes: offset, sha256: source.sha256 ?? (this.#hash ?? createHash('sha256')).digest('hex') }
    if (this.#total.bytes !== offset || (source.size !== undefined && source.size !== offset))
      throw channelErrors.create('ERR_CHANNEL_SOURCE', `What is sent has ${offset} bytes instead of ${source.size ?? this.#total.bytes}`)
    request.respond({ properties: { Offset: String(offset), End: this.#total.sha256 } })
  }

  /** The next bytes; undefined when there are none for a long time, or the transfer is over. */
  #read(offset: number, max: number): Promise<Uint8Array | undefined> {
    const { clock, source } = this.#options
    const { signal } = this.#stop
    return new Promise((resolve, reject) => {
      const nothing = (): void => {
        cancel()
        signal.removeEventListener('abort', nothing)
        this.#interrupt = undefined
        resolve(undefined)
      }
      const cancel = clock.after(NOTHING_YET_MS, nothing)
      signal.addEventListener('abort', nothing, { once: true })
      this.#interrupt = nothing
      source.read(offset, max).then(
        (bytes) => {
          resolve(bytes)
          nothing()
        },
        (error: unknown) => {
          reject(error as Error)
          nothing()
        }
      )
    })
  }

  #digest(offset: number, bytes: Uint8Array): void {
    if (this.#options.source.sha256 !== undefined || offset + bytes.length <= this.#hashed) return
    this.#hash ??= createHash('sha256')
    this.#hash.update(bytes.subarray(this.#hashed - offset))
    this.#hashed = offset + bytes.length
  }

  #release(): void {
    const { source, signal } = this.#options
    signal?.removeEventListener('abort', this.#onAbort)
    this.#stop.abort(channelErrors.create('ERR_CHANNEL_TRANSFER_CANCELLED', 'The transfer is over'))
    this.#released?.resolve()
    for (const { request } of this.#pulls) request.respondError(CHANNEL_DOMAIN, 410)
    this.#pulls = []
    source.close()
  }
}
