import { Duplex } from 'node:stream'
import { errorCode, systemClock, type Clock } from '@kithmesh/core'
import { Association } from './association.ts'
import { type AssociationOptions, associationOptions } from './association-options.ts'
import { datagramErrors } from './errors.ts'

/** Datagrams sent without letting anything else run: more in one go only overflow the buffers on the way. */
const BURST = 64
const READ_BYTES = 65_536

/** A way for datagrams to one other place: a UDP socket and an address, a TURN channel. It may lose, double, delay and reorder them. */
export interface DatagramPath {
  /** Sends one datagram, or drops it when that cannot be done at once. Never throws. The buffer is not changed afterwards. */
  send(datagram: Buffer): void
  /** Called once, before anything else: where to put what comes, and the news that nothing ever will again. */
  open(handlers: DatagramPathHandlers): void
  /** Nobody needs the path any more. Idempotent. */
  close(): void
}

export interface DatagramPathHandlers {
  /** The buffer belongs to the receiver. @returns whether it is the other side's beyond doubt, so that where it came from is where to send to */
  datagram(bytes: Buffer): boolean
  closed(error: Error): void
}

export interface DatagramStreamOptions {
  /** Owned by the stream, also when it never opens: it is closed when the other side knows of the end, or after a few seconds. */
  readonly path: DatagramPath
  /** At least 16 random bytes, used for one stream only and known to the two sides only. Who does not know them can neither inject nor cut. */
  readonly secret: Uint8Array
  /** One side each. */
  readonly role: 'initiator' | 'responder'
  readonly signal?: AbortSignal
  /**
   * Bytes of the largest datagram sent, 256 to 65,507; default 1,200, which passes nearly everywhere. It becomes smaller when such datagrams do
   * not arrive.
   */
  readonly maxDatagramBytes?: number
  /** Bytes kept at most in each direction, four datagrams to 1 GiB; default 2 MiB. */
  readonly windowBytes?: number
  /** Milliseconds until the other side has answered, 1 to 86,400,000; default 10,000. */
  readonly openTimeoutMs?: number
  /** Milliseconds of silence after which something is sent, so that NATs do not forget the path, 1 at least; default 10,000. */
  readonly keepAliveMs?: number
  /** Milliseconds of silence of the other side after which the stream fails; default 30,000. Twice `keepAliveMs` to 86,400,000. */
  readonly idleTimeoutMs?: number
  readonly clock?: Clock
}

/**
 * Opens a reliable, ordered byte stream over a path for datagrams. Both sides call it, in any order, within the time to open.
 * The stream is not encrypted: put TLS on it. Ending works in each direction by itself; `finish` means that the other side has everything.
 * Destroying it before both directions have ended destroys the other side with ERR_DATAGRAM_RESET.
 * @throws ERR_DATAGRAM_NO_ANSWER, ERR_DATAGRAM_RESET, ERR_DATAGRAM_PATH or the signal's reason. Later the stream may fail with
 * ERR_DATAGRAM_SILENT, too. TypeError for a short secret or limits that make no sense.
 */
export function openDatagramStream(options: DatagramStreamOptions): Promise<Duplex> {
  const limits = associationOptions(options)
  return new Promise((resolve, reject) => {
    const stream = new DatagramStream(options, limits, (error) => {
      if (error === undefined) resolve(stream)
      else reject(error as Error)
    })
  })
}

class DatagramStream extends Duplex {
  readonly #association: Association
  readonly #path: DatagramPath
  readonly #clock: Clock
  readonly #settle: (error?: unknown) => void
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = (): void => {
    this.destroy(this.#signal?.reason as Error)
  }
  #settled = false
  #released = false
  #pending: { bytes: Uint8Array; readonly done: (error?: Error | null) => void } | undefined
  #finished: ((error?: Error | null) => void) | undefined
  #wanted = false
  #endTold = false
  #scheduled = false
  #timerAt = Number.POSITIVE_INFINITY
  #cancelTimer = (): void => {}

  constructor({ path, signal, clock = systemClock }: DatagramStreamOptions, limits: AssociationOptions, settle: (error?: unknown) => void) {
    super({ highWaterMark: READ_BYTES })
    this.#path = path
    this.#clock = clock
    this.#settle = settle
    this.#signal = signal
    this.#association = new Association(limits, clock.monotonic())
    // Until it is handed out, and after, nobody may be listening: the promise or the next write tells.
    this.on('error', () => {})
    path.open({
      datagram: (bytes) => {
        const belongs = this.#association.receive(bytes, clock.monotonic())
        this.#schedule()
        return belongs
      },
      closed: (cause) => {
        this.#association.abandon(
          datagramErrors.create('ERR_DATAGRAM_PATH', `The path for datagrams was closed: ${cause.message}`, { cause })
        )
        this.#schedule()
      }
    })
    if (signal?.aborted === true) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
    this.#schedule()
  }

  override _read(): void {
    this.#wanted = true
    if (this.#association.readable) this.#schedule()
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#pending = { bytes, done }
    this.#fill()
    this.#schedule()
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#association.end()
    this.#finished = done
    this.#schedule()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#association.reset(error === null ? 'closed' : (errorCode(error) ?? error.name), this.#clock.monotonic())
    const { done: pending } = this.#pending ?? {}
    this.#pending = undefined
    this.#finished = undefined
    pending?.(error ?? datagramErrors.create('ERR_DATAGRAM_RESET', 'The stream was destroyed before everything was written'))
    this.#opened(error ?? datagramErrors.create('ERR_DATAGRAM_RESET', 'The stream was destroyed while it was being opened'))
    this.#schedule()
    done(error)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    // One turn of the event loop brings many datagrams: they are answered together.
    setImmediate(() => {
      this.#scheduled = false
      this.#flush()
    })
  }

  /** Does everything that the state of the association calls for. */
  #flush(): void {
    const association = this.#association
    this.#fill()
    if (!this.destroyed) this.#deliver()
    const now = this.#clock.monotonic()
    for (let sent = 0; ; sent++) {
      if (sent === BURST) {
        this.#schedule()
        break
      }
      const datagram = association.next(now)
      if (datagram === undefined) break
      this.#path.send(datagram)
    }
    if (association.state === 'open') this.#opened()
    if (association.error !== undefined && !this.destroyed) this.destroy(association.error)
    const over = association.state === 'lingering' || association.state === 'closed'
    if (association.sendFinished || (over && association.error === undefined)) this.#finish()
    if (association.state === 'closed') this.#release()
    else this.#arm()
  }

  #fill(): void {
    if (this.#pending === undefined) return
    const { bytes, done } = this.#pending
    const taken = this.#association.write(bytes)
    if (taken < bytes.length) {
      this.#pending.bytes = bytes.subarray(taken)
      return
    }
    this.#pending = undefined
    done()
  }

  #deliver(): void {
    while (this.#wanted) {
      const bytes = this.#association.read(READ_BYTES)
      if (bytes === undefined) break
      this.#wanted = this.push(bytes)
    }
    if (this.#association.receiveFinished && !this.readableEnded && !this.#endTold) {
      this.#endTold = true
      this.push(null)
    }
  }

  #opened(error?: unknown): void {
    if (this.#settled) return
    this.#settled = true
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#settle(error)
  }

  #finish(): void {
    const done = this.#finished
    this.#finished = undefined
    done?.()
  }

  #arm(): void {
    const { deadline } = this.#association
    if (deadline === undefined || deadline >= this.#timerAt) return
    this.#cancelTimer()
    this.#timerAt = deadline
    this.#cancelTimer = this.#clock.after(Math.max(1, Math.ceil(deadline - this.#clock.monotonic())), () => {
      this.#timerAt = Number.POSITIVE_INFINITY
      this.#flush()
    })
  }

  /** The path is no longer needed. What came may still be read. */
  #release(): void {
    if (this.#released) return
    this.#released = true
    this.#cancelTimer()
    this.#path.close()
  }
}
