import { replicatorErrors } from '../errors.ts'

/** Above it `add` says that the giver should wait. */
const HIGH_WATER_BYTES = 1024 * 1024

export interface ReceiveQueueOptions {
  readonly maxBytes: number
  /** More came than fits, or the taker threw. */
  readonly failed: (error: Error) => void
}

/** What came and cannot be delivered yet, within a bound. */
export class ReceiveQueue {
  /** Resolves after the end, when all is delivered. */
  readonly drained: Promise<void>
  readonly #options: ReceiveQueueOptions
  #items: Buffer[] = []
  #bytes = 0
  #take: ((data: Buffer) => void) | undefined
  #paused = false
  #delivering = false
  #ended = false
  #waiting: (() => void)[] = []
  #resolveDrained!: () => void

  constructor(options: ReceiveQueueOptions) {
    this.#options = options
    this.drained = new Promise((resolve) => {
      this.#resolveDrained = resolve
    })
  }

  /** False when the giver should wait for {@link ready}. After the end it does nothing. */
  add(data: Buffer): boolean {
    if (this.#ended) return false
    if (this.#bytes + data.length > this.#options.maxBytes) {
      this.#items = []
      this.#options.failed(
        replicatorErrors.create(
          'ERR_REPL_MESSAGING_OVERFLOW',
          `More than ${this.#options.maxBytes} bytes were received and not yet taken`,
          {
            details: { maxBytes: this.#options.maxBytes }
          }
        )
      )
      return false
    }
    this.#items.push(data)
    this.#bytes += data.length
    this.#deliver()
    return this.#bytes <= HIGH_WATER_BYTES
  }

  ready(): Promise<void> {
    if (this.#ended || this.#bytes <= HIGH_WATER_BYTES) return Promise.resolve()
    return new Promise((resolve) => {
      this.#waiting.push(resolve)
    })
  }

  /** Delivery begins a moment later, so that the taker can get ready. */
  start(take: (data: Buffer) => void): void {
    queueMicrotask(() => {
      this.#take = take
      this.#deliver()
    })
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#deliver()
  }

  /** Nothing more is added. */
  end(): void {
    this.#ended = true
    this.#wake()
    this.#deliver()
  }

  #deliver(): void {
    const take = this.#take
    if (take === undefined || this.#delivering) return
    this.#delivering = true
    try {
      while (!this.#paused && this.#items.length > 0) {
        const batch = this.#items
        this.#items = []
        let index = 0
        try {
          while (!this.#paused && index < batch.length) {
            const data = batch[index++]!
            this.#bytes -= data.length
            take(data)
          }
        } finally {
          if (index < batch.length) this.#items = batch.slice(index).concat(this.#items)
        }
      }
    } catch (error) {
      this.#items = []
      this.#options.failed(error as Error)
    } finally {
      this.#delivering = false
    }
    if (this.#bytes <= HIGH_WATER_BYTES / 2) this.#wake()
    if (this.#ended && this.#items.length === 0) this.#resolveDrained()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
