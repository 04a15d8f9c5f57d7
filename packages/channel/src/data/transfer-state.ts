import type { Logger } from '@kithmesh/core'
import { Deferred } from '@kithmesh/core/plugin'
import type { Transfer, TransferResult } from './contracts.ts'

/** What both directions of a transfer have in common: its state, who watches, and its end. */
export abstract class TransferState implements Transfer {
  readonly id: string
  readonly peerId: string
  readonly name: string
  abstract readonly direction: 'outgoing' | 'incoming'
  abstract size: number | undefined
  transferred = 0
  state: Transfer['state'] = 'waiting'
  readonly #logger: Logger
  readonly #finished = new Deferred<TransferResult>()
  readonly #listeners = new Set<(transfer: Transfer) => void>()

  constructor(id: string, peerId: string, name: string, logger: Logger) {
    this.id = id
    this.peerId = peerId
    this.name = name
    this.#logger = logger
    this.#finished.promise.catch(() => {})
  }

  get finished(): Promise<TransferResult> {
    return this.#finished.promise
  }

  get over(): boolean {
    return this.state === 'done' || this.state === 'failed'
  }

  abstract cancel(reason?: string): void

  onProgress(listener: (transfer: Transfer) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  protected progress(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(this)
      } catch (error) {
        this.#logger.error('A listener of the progress of a transfer failed', { error })
      }
    }
  }

  protected succeed(result: TransferResult): void {
    this.state = 'done'
    this.#finished.resolve(result)
    this.progress()
  }

  /** @returns false when it has ended before */
  protected failWith(error: Error): boolean {
    if (this.over) return false
    this.state = 'failed'
    this.#finished.reject(error)
    this.progress()
    return true
  }
}
