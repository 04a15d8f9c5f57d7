import type { Writable } from 'node:stream'
import { Deferred } from '@kithmesh/core/plugin'
import type { DataSink, Transfer } from './contracts.ts'

/** Writes into a stream, and waits for it. */
export function writableSink(writable: Writable): DataSink {
  let failure: Error | undefined
  writable.on('error', (error) => {
    failure ??= error
  })
  return {
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (failure !== undefined || writable.destroyed) {
          reject(failure ?? new Error('the stream was destroyed'))
          return
        }
        // Every stream calls back, also when it is destroyed.
        writable.write(bytes, (error) => {
          if (error === null || error === undefined) resolve()
          else reject(error)
        })
      }),
    end: () =>
      new Promise((resolve, reject) => {
        writable.once('error', reject)
        writable.end(() => {
          resolve(undefined)
        })
      }),
    abort: (error) => {
      writable.destroy(error)
    }
  }
}

/** Hands the bytes to a loop, one piece at a time. */
export class ReaderSink implements DataSink {
  #piece: { readonly bytes: Buffer; readonly taken: Deferred<void> } | undefined
  #waiting: Deferred<IteratorResult<Buffer>> | undefined
  #outcome: { readonly error?: Error } | undefined

  write(bytes: Buffer): Promise<void> {
    const taken = new Deferred<void>()
    this.#piece = { bytes, taken }
    this.#hand()
    return taken.promise
  }

  end(): undefined {
    this.#outcome = {}
    this.#hand()
  }

  abort(error: Error): void {
    this.#outcome = { error }
    this.#piece?.taken.resolve()
    this.#piece = undefined
    this.#hand()
  }

  /** The loop's side; leaving it cancels the transfer. */
  iterate(transfer: () => Transfer): AsyncIterableIterator<Buffer> {
    const iterator: AsyncIterableIterator<Buffer> = {
      next: () => {
        const waiting = new Deferred<IteratorResult<Buffer>>()
        this.#waiting = waiting
        this.#hand()
        return waiting.promise
      },
      return: async () => {
        transfer().cancel('nobody reads it any more')
        return { done: true, value: undefined }
      },
      [Symbol.asyncIterator]: () => iterator
    }
    return iterator
  }

  #hand(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    const piece = this.#piece
    if (piece !== undefined) {
      this.#piece = undefined
      this.#waiting = undefined
      waiting.resolve({ done: false, value: piece.bytes })
      piece.taken.resolve()
    } else if (this.#outcome !== undefined) {
      this.#waiting = undefined
      if (this.#outcome.error === undefined) waiting.resolve({ done: true, value: undefined })
      else waiting.reject(this.#outcome.error)
    }
  }
}
