import type { ChangesOptions, DiscoveryChange, DiscoveryChanges } from './contracts/discovery.ts'
import type { Logger } from './contracts/logger.ts'
import type { PeerDiscoveryObserver } from './contracts/observer.ts'

const DEFAULT_CAPACITY = 1024

type Result = IteratorResult<DiscoveryChange, undefined>
const done: Result = { done: true, value: undefined }

/** An observer that keeps what it is told for an async iterator; bounded, the oldest entries go first. */
export class ChangeStream implements DiscoveryChanges {
  readonly observer: PeerDiscoveryObserver
  readonly #logger: Logger
  readonly #capacity: number
  readonly #signal: AbortSignal | undefined
  readonly #ended: (stream: ChangeStream) => void
  #entries: DiscoveryChange[] = []
  #readers: Array<(result: Result) => void> = []
  #dropped = 0
  #dropping = false
  #open = true

  /** @throws TypeError when the capacity is not a positive integer. */
  constructor(options: ChangesOptions, logger: Logger, ended: (stream: ChangeStream) => void) {
    const { capacity = DEFAULT_CAPACITY, signal } = options
    if (!Number.isSafeInteger(capacity) || capacity < 1)
      throw new TypeError(`The capacity has to be a positive integer, not ${String(capacity)}`)
    this.#capacity = capacity
    this.#signal = signal
    this.#logger = logger
    this.#ended = ended
    this.observer = {
      statusChanged: (provider, mode, status) => {
        this.#push({ type: 'statusChanged', provider, mode, status })
      },
      peersAdded: (peers) => {
        this.#push({ type: 'peersAdded', peers })
      },
      peersRemoved: (peers) => {
        this.#push({ type: 'peersRemoved', peers })
      },
      peerMetadataChanged: (peer) => {
        this.#push({ type: 'peerMetadataChanged', peer })
      },
      devicesChanged: (change) => {
        this.#push({ type: 'devicesChanged', ...change })
      },
      connectionReport: (report) => {
        this.#push({ type: 'connectionReport', report })
      }
    }
    if (signal?.aborted === true) this.#open = false
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get dropped(): number {
    return this.#dropped
  }

  get open(): boolean {
    return this.#open
  }

  async next(): Promise<Result> {
    const value = this.#entries.shift()
    if (value !== undefined) {
      if (this.#entries.length === 0) this.#dropping = false
      return { done: false, value }
    }
    if (!this.#open) return done
    return await new Promise<Result>((resolve) => {
      this.#readers.push(resolve)
    })
  }

  /** Ends the iteration and forgets what was not read. */
  async return(): Promise<Result> {
    this.#entries = []
    this.end()
    return done
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** What was kept can still be read. */
  end(): void {
    if (!this.#open) return
    this.#open = false
    this.#signal?.removeEventListener('abort', this.#onAbort)
    for (const reader of this.#readers.splice(0)) reader(done)
    this.#ended(this)
  }

  readonly #onAbort = (): void => {
    this.#entries = []
    this.end()
  }

  #push(value: DiscoveryChange): void {
    const reader = this.#readers.shift()
    if (reader !== undefined) {
      reader({ done: false, value })
      return
    }
    this.#entries.push(value)
    if (this.#entries.length <= this.#capacity) return
    this.#entries.shift()
    this.#dropped++
    if (this.#dropping) return
    this.#dropping = true
    this.#logger.warn('A reader of changes is too slow; the oldest changes are dropped', { capacity: this.#capacity })
  }
}
