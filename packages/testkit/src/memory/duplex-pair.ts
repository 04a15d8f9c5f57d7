import { Duplex } from 'node:stream'

/** An error as the operating system's sockets give it. */
export function socketError(code: 'ECONNRESET' | 'ECONNREFUSED' | 'EADDRINUSE', message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}

class PairedDuplex extends Duplex {
  other!: PairedDuplex
  /** The other side's write that waits for this side to be read. */
  #resume: (() => void) | undefined

  override _read(): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error | null) => void): void {
    if (this.other.destroyed) {
      callback(socketError('ECONNRESET', 'the other side is gone'))
      return
    }
    this.other.deliver(Buffer.from(chunk), () => {
      callback()
    })
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (!this.other.destroyed) this.other.push(null)
    callback()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const { other } = this
    const orderly = this.writableFinished && (other.writableFinished || other.destroyed)
    this.#resume = undefined
    callback(error)
    if (!other.destroyed && !orderly)
      setImmediate(() => {
        other.destroy(socketError('ECONNRESET', 'the other side was cut'))
      })
  }

  deliver(chunk: Buffer, taken: () => void): void {
    // One hop through the event loop, as with real sockets: a writer never runs its reader.
    setImmediate(() => {
      if (this.destroyed || this.readableEnded) {
        taken()
        return
      }
      if (this.push(chunk)) taken()
      else this.#resume = taken
    })
  }
}

/**
 * Two connected byte streams in one process, with back-pressure: what is written to one is read from the other.
 * Ending one ends the other's reading; destroying one before both have ended destroys the other with `ECONNRESET`.
 * @param highWaterMark bytes each side buffers per direction @default 65536
 */
export function duplexPair(highWaterMark = 65_536): [Duplex, Duplex] {
  const left = new PairedDuplex({ highWaterMark })
  const right = new PairedDuplex({ highWaterMark })
  left.other = right
  right.other = left
  return [left, right]
}
