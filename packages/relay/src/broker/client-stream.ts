import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Clock } from '@kithmesh/core'
import { Budget } from '../budget.ts'
import type { RelayLimits } from '../limits.ts'
import { PacketMeter } from './packet-meter.ts'

/** The first packet has a last will, which is a signed statement with certificates; nothing larger is taken from somebody who is not known yet. */
const GREETING_BYTES = 20_480
const BURST_SECONDS = 4
/** How long a client may take to read what it was sent last. */
const FAREWELL_MS = 5_000
/** Answers to subscriptions that may wait until a client reads. */
const MOST_PACED = 64
/** Below so many waiting bytes, more may be sent of what need not be sent at once. */
const PACE_BYTES = 262_144

/**
 * What the broker sees of one client's connection. Reading obeys the client's rates. Writing never makes the broker wait, since aedes holds
 * back the sender of a message until the slowest receiver has taken it: what a client does not read is kept up to a bound, and beyond it the
 * client is cut off.
 */
export class ClientStream extends Duplex {
  readonly #socket: Socket
  readonly #limits: RelayLimits
  readonly #clock: Clock
  readonly #meter = new PacketMeter()
  readonly #packets: Budget
  readonly #bytes: Budget
  readonly #paced: (() => void)[] = []
  #greeted = false
  #cancelWait: (() => void) | undefined
  /** Whether the broker wants more. */
  #wanted = false

  constructor(socket: Socket, limits: RelayLimits, clock: Clock) {
    super({ writableHighWaterMark: Number.MAX_SAFE_INTEGER, allowHalfOpen: false })
    this.#socket = socket
    this.#limits = limits
    this.#clock = clock
    this.#packets = new Budget(limits.packetsPerSecond, BURST_SECONDS, clock)
    this.#bytes = new Budget(limits.mqttBytesPerSecond, BURST_SECONDS, clock)
    socket.pause()
    socket.on('data', (chunk: Buffer) => {
      this.#receive(chunk)
    })
    socket.on('end', () => this.push(null))
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => this.destroy())
    socket.on('drain', () => {
      this.#tellPaced()
    })
  }

  /** From now on the client is known, and its packets may be as large as the limits say. */
  greeted(): void {
    this.#greeted = true
  }

  /** Resolves when little waits for the client, or it is gone. */
  paced(): Promise<void> {
    if (this.destroyed || this.#socket.writableLength < PACE_BYTES) return Promise.resolve()
    if (this.#paced.length >= MOST_PACED) this.destroy(new Error('the client asks for more than it reads'))
    return new Promise((resolve) => {
      if (this.destroyed) resolve()
      else this.#paced.push(resolve)
    })
  }

  override _read(): void {
    this.#wanted = true
    if (this.#cancelWait === undefined) this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#send(chunk)
    done()
  }

  override _writev(chunks: { chunk: Buffer; encoding: BufferEncoding }[], done: () => void): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)))
    done()
  }

  override _final(done: () => void): void {
    this.#socket.end()
    done()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#cancelWait?.()
    // What was said last, such as the reason of a refusal, may still go out; the connection ends when the client closes it, or soon.
    this.#socket.removeAllListeners('data')
    this.#socket.on('data', () => {})
    if (error !== null && this.#socket.writableLength > 0 && !this.#socket.destroyed) this.#socket.destroy()
    else if (!this.#socket.closed) {
      this.#socket.destroySoon()
      // Who reads nothing would keep the connection, and its place, for ever.
      this.#socket.once(
        'close',
        this.#clock.after(FAREWELL_MS, () => {
          this.#socket.destroy()
        })
      )
    }
    this.#tellPaced()
    done(error)
  }

  #receive(chunk: Buffer): void {
    const packets = this.#meter.count(chunk, this.#greeted ? this.#limits.packetBytes : GREETING_BYTES)
    if (packets === undefined) {
      this.destroy(new Error('a packet is too large'))
      return
    }
    const wait = Math.max(this.#packets.owe(packets), this.#bytes.owe(chunk.length))
    this.#wanted = this.push(chunk)
    if (wait > 0) {
      this.#socket.pause()
      this.#cancelWait ??= this.#clock.after(wait, () => {
        this.#cancelWait = undefined
        if (this.#wanted) this.#socket.resume()
      })
    } else if (!this.#wanted) this.#socket.pause()
  }

  #send(bytes: Buffer): void {
    this.#socket.write(bytes)
    if (this.#socket.writableLength > this.#limits.waitingBytes) this.destroy(new Error('the client does not read what is sent to it'))
  }

  #tellPaced(): void {
    if (this.destroyed || this.#socket.writableLength < PACE_BYTES) for (const resolve of this.#paced.splice(0)) resolve()
  }
}
