import { Duplex } from 'node:stream'
import type { Clock } from '@kithmesh/core'
import { turnErrors } from './errors.ts'
import type { Side } from './hello.ts'

const HEADER_BYTES = 4
/** Bytes of a data frame at most. */
const LONGEST = 0xffff
/** With the number of bytes that the other side may send more in its lower bits. */
const CREDIT = 0x40000000
/** The sender has written everything. */
const END = 0x80000000
/** The sender has got everything up to the other's END. */
const GOT = 0x80000001
/** The guest has nothing left to get: the host may close the connection. */
const BYE = 0x80000002
/** For the signs to pass after both directions have ended. */
const CLOSING_MS = 5_000
/** Bytes on their way at most in each direction, until the other side's application has taken them. With twice as many coturn 4.6 comes to a stop. */
const WINDOW = 196_608

/**
 * A connection through a relay whose ends are told in the stream itself: frames of a length in 4 bytes and so many bytes, or a sign. Servers
 * close a relayed connection in both directions as soon as one end closes it, and drop what they still hold (RFC 6062 says nothing of half-closed
 * connections; coturn does that). So nobody closes it before both have everything, and a connection that is closed earlier was cut.
 * Neither do servers bear it well when both directions are full: coturn stops one of them for good. So each side sends only what the other one
 * has room for.
 */
export class RelayedStream extends Duplex {
  readonly #socket: Duplex
  readonly #side: Side
  readonly #clock: Clock
  #header: Buffer = Buffer.alloc(0)
  /** Bytes of the present frame still to come. */
  #left = 0
  /** What the other side may send before it is told of more room. */
  #room = WINDOW
  /** Bytes taken by the application since it was told. */
  #taken = 0
  readonly #ready: Buffer[] = []
  #wanted = false
  #credit = WINDOW
  #pending: { bytes: Buffer; readonly done: (error?: Error | null) => void } | undefined
  #heardEnd = false
  #endTold = false
  #heardGot = false
  #saidBye = false
  #cancelClosing = (): void => {}

  constructor(socket: Duplex, side: Side, clock: Clock) {
    super({ highWaterMark: LONGEST })
    this.#socket = socket
    this.#side = side
    this.#clock = clock
    socket.on('error', (error) => {
      this.#cut(error)
    })
    socket.on('end', () => {
      this.#cut(undefined)
    })
    socket.once('close', () => {
      this.#cancelClosing()
      this.#cut(undefined)
    })
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk)
    })
  }

  override _read(): void {
    this.#wanted = true
    this.#deliver()
  }

  override _write(bytes: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    // A frame without bytes would be none.
    if (bytes.length === 0) {
      done()
      return
    }
    this.#pending = { bytes, done }
    this.#send()
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#sign(END)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const orderly = error === null && this.#heardEnd && this.writableFinished
    this.#pending?.done(error ?? cut('it was destroyed here'))
    this.#pending = undefined
    if (!orderly || this.#socket.destroyed) this.#socket.destroy()
    else
      this.#cancelClosing = this.#clock.after(CLOSING_MS, () => {
        this.#socket.destroy()
      })
    done(error)
  }

  /** As much of what waits as the other side has room for; the last part calls back when the operating system has it. */
  #send(): void {
    const socket = this.#socket
    while (this.#pending !== undefined && this.#credit > 0) {
      const { bytes, done } = this.#pending
      const part = bytes.subarray(0, Math.min(this.#credit, LONGEST))
      this.#credit -= part.length
      const last = part.length === bytes.length
      if (last) this.#pending = undefined
      else this.#pending.bytes = bytes.subarray(part.length)
      socket.cork()
      socket.write(frame(part.length))
      if (last) socket.write(part, (error) => done(error ? cut(error.message, error) : null))
      else socket.write(part)
      socket.uncork()
    }
  }

  #sign(sign: number): void {
    if (!this.#socket.destroyed) this.#socket.write(frame(sign))
  }

  #receive(chunk: Buffer): void {
    for (let at = 0; at < chunk.length && !this.#socket.destroyed; ) {
      if (this.#left > 0) {
        const bytes = chunk.subarray(at, at + this.#left)
        at += bytes.length
        this.#left -= bytes.length
        if (!this.destroyed) this.#ready.push(bytes)
        continue
      }
      const part = chunk.subarray(at, at + HEADER_BYTES - this.#header.length)
      at += part.length
      const header = this.#header.length === 0 ? part : Buffer.concat([this.#header, part])
      this.#header = header.length < HEADER_BYTES ? Buffer.from(header) : Buffer.alloc(0)
      if (header.length === HEADER_BYTES) this.#begin(header.readUInt32BE())
    }
    this.#deliver()
  }

  #begin(word: number): void {
    if (word > 0 && word <= LONGEST && word <= this.#room && !this.#heardEnd) {
      this.#left = word
      this.#room -= word
    } else if (word > CREDIT && word <= CREDIT + WINDOW) {
      this.#credit = Math.min(WINDOW, this.#credit + word - CREDIT)
      this.#send()
    } else if (word === END && !this.#heardEnd) {
      this.#heardEnd = true
      this.#sign(GOT)
    } else if (word === GOT && this.writableEnded) this.#heardGot = true
    else this.#socket.destroy()
    if (word === BYE && this.#side === 'host') this.#socket.destroy()
    if (this.#side === 'guest' && this.#heardEnd && this.#heardGot && !this.#saidBye) {
      this.#saidBye = true
      this.#sign(BYE)
    }
  }

  #deliver(): void {
    if (this.destroyed) return
    while (this.#wanted && this.#ready.length > 0) {
      const bytes = this.#ready.shift()!
      this.#taken += bytes.length
      this.#wanted = this.push(bytes)
    }
    if (this.#ready.length > 0 || this.readableEnded) return
    if (this.#heardEnd && !this.#endTold) {
      this.#endTold = true
      this.push(null)
    } else if (this.#taken >= WINDOW / 4 && !this.#heardEnd) {
      this.#sign(CREDIT + this.#taken)
      this.#room += this.#taken
      this.#taken = 0
    }
  }

  /** The connection is over. That is in order when both sides have everything. */
  #cut(cause: Error | undefined): void {
    if (this.#heardEnd && this.writableFinished && (this.#heardGot || this.#side === 'host')) {
      this.#socket.destroy()
      return
    }
    this.destroy(cause === undefined ? cut('it was closed before both sides had ended it') : cut(cause.message, cause))
  }
}

function cut(why: string, cause?: Error): Error {
  return turnErrors.create('ERR_TURN_CUT', `A connection through a relay was cut: ${why}`, cause === undefined ? {} : { cause })
}

function frame(word: number): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES)
  bytes.writeUInt32BE(word)
  return bytes
}

/** A stream over a relay keeps the relay, and ends when it is lost. */
export interface KeptRelay {
  readonly allocation: { readonly ended: Promise<Error | undefined> }
  close(): Promise<void>
}

/** @param socket what the server gave: the relay is given back when it is closed @param stream made of it */
export function keepRelay(socket: Duplex, stream: Duplex, { allocation, close }: KeptRelay): void {
  socket.once('close', () => void close())
  void allocation.ended.then((error) => {
    if (error !== undefined) stream.destroy(error)
  })
}
