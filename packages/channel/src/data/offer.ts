import type { Writable } from 'node:stream'
import type { JsonObject } from '../json.ts'
import type { DataOffer, DataSink, SaveAsOptions, SaveOptions, Transfer } from './contracts.ts'
import { openFileSink, splitPath } from './file-sink.ts'
import type { OpenSink } from './incoming.ts'
import { ReaderSink, writableSink } from './sinks.ts'
import type { OfferFacts } from './wire.ts'

export interface OfferOwner {
  readonly peerId: string
  /** Parts of files that are being written by this channel. */
  readonly partsInUse: Set<string>
  take(offer: Offer, open: (signal: AbortSignal) => Promise<OpenSink>): Transfer
  refuse(offer: Offer, reason: string): void
}

/** An offer of the peer, as its handler sees it. */
export class Offer implements DataOffer {
  readonly id: string
  readonly facts: OfferFacts
  readonly #owner: OfferOwner
  readonly #withdrawn = new AbortController()
  #decided = false

  constructor(id: string, facts: OfferFacts, owner: OfferOwner) {
    this.id = id
    this.facts = facts
    this.#owner = owner
  }

  get peerId(): string {
    return this.#owner.peerId
  }

  get name(): string {
    return this.facts.name
  }

  get size(): number | undefined {
    return this.facts.size
  }

  get sha256(): string | undefined {
    return this.facts.sha256
  }

  get contentType(): string | undefined {
    return this.facts.contentType
  }

  get info(): JsonObject {
    return this.facts.info
  }

  save({ directory }: SaveOptions): Transfer {
    return this.#store(directory, this.name, 'another-name')
  }

  saveAs(path: string, { overwrite = false }: SaveAsOptions = {}): Transfer {
    const { directory, name } = splitPath(path)
    return this.#store(directory, name, overwrite ? 'replace' : 'refuse')
  }

  pipe(writable: Writable): Transfer {
    return this.accept(writableSink(writable))
  }

  read(): AsyncIterableIterator<Buffer> {
    const sink = new ReaderSink()
    const transfer = this.accept(sink)
    return sink.iterate(() => transfer)
  }

  accept(sink: DataSink): Transfer {
    return this.#take(async () => ({
      write: (bytes) => sink.write(bytes),
      end: () => sink.end?.(),
      abort: (error) => sink.abort?.(error)
    }))
  }

  refuse(reason = 'not wanted'): void {
    this.#decide()
    if (!this.signal.aborted) this.#owner.refuse(this, reason)
  }

  get signal(): AbortSignal {
    return this.#withdrawn.signal
  }

  /** Whether nobody has decided about it. */
  get open(): boolean {
    return !this.#decided && !this.signal.aborted
  }

  /** It is not to be had any more, for that reason. */
  withdraw(error: Error): void {
    this.#withdrawn.abort(error)
  }

  #store(directory: string, name: string, existing: 'refuse' | 'replace' | 'another-name'): Transfer {
    const { sha256, size } = this.facts
    const { peerId, partsInUse } = this.#owner
    return this.#take((signal) => openFileSink({ directory, name, existing, sha256, size, peerId, inUse: partsInUse }, signal))
  }

  #take(open: (signal: AbortSignal) => Promise<OpenSink>): Transfer {
    this.#decide()
    return this.#owner.take(this, open)
  }

  #decide(): void {
    if (this.#decided) throw new TypeError('The offer was taken or refused already')
    this.#decided = true
  }
}
