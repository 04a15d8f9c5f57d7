import type { Socket } from 'node:net'
import type { Clock } from '@kithmesh/core'
import { StreamDeframer, formatTransportAddress, type TransportAddress } from '@kithmesh/stun'
import { Budget } from '../budget.ts'
import type { RelayLimits } from '../limits.ts'
import { LAST_CHANNEL } from './channel-frames.ts'
import type { ClientPath } from './contracts.ts'
import type { BindingPlace, TurnServer } from './turn-server.ts'

/** The longest request of somebody who has no allocation: none is nearly as long. */
const GREETING_BYTES = 4_096
/** Until the first frame, and between frames of those who have no allocation: connections that are kept for a NAT's mapping last longer. */
const FIRST_FRAME_MS = 15_000
const IDLE_MS = 600_000
/** What waits for the client: relayed data beyond it is dropped, as it would be by a network; answers are not. */
const DATA_WAITING_BYTES = 1 << 19
const ANSWERS_WAITING_BYTES = 1 << 20
const BURST_SECONDS = 4

/** A client on a TCP or TLS connection. */
export class StreamClient implements ClientPath {
  readonly transport = 'tcp'
  readonly local: TransportAddress
  readonly remote: TransportAddress
  readonly key: string
  readonly #socket: Socket
  readonly #server: TurnServer
  readonly #place: BindingPlace
  readonly #clock: Clock
  readonly #frames: Budget
  #deframer: StreamDeframer
  #large = false
  #lastFrame: number
  #seen = false
  #cancelIdle: () => void
  #cancelWait: (() => void) | undefined
  #over = false

  constructor(
    socket: Socket,
    local: TransportAddress,
    remote: TransportAddress,
    server: TurnServer,
    place: BindingPlace,
    limits: RelayLimits,
    clock: Clock
  ) {
    this.local = local
    this.remote = remote
    this.key = `tcp ${formatTransportAddress(local)} ${formatTransportAddress(remote)}`
    this.#socket = socket
    this.#server = server
    this.#place = place
    this.#clock = clock
    this.#frames = new Budget(limits.answersPerSecond, BURST_SECONDS, clock)
    this.#deframer = this.#deframerFor(GREETING_BYTES)
    this.#lastFrame = clock.monotonic()
    this.#cancelIdle = clock.after(FIRST_FRAME_MS, () => {
      this.#lookWhetherIdle()
    })
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onClose)
  }

  send(frame: Buffer): boolean {
    if (this.#over || this.#socket.destroyed) return false
    const isData = frame.length > 512 || frame[0]! >> 6 === 1
    if (this.#socket.writableLength > (isData ? DATA_WAITING_BYTES : ANSWERS_WAITING_BYTES)) {
      if (!isData) this.#socket.destroy()
      return false
    }
    this.#socket.write(frame)
    return true
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#deframer.push(chunk)
    try {
      let frames = 0
      while (!this.#over) {
        const frame = this.#deframer.next()
        if (frame === undefined) break
        this.#seen = true
        this.#lastFrame = this.#clock.monotonic()
        if (frame[0]! >> 6 === 0) frames++
        if (!this.#server.receive(frame, this, this.#place, () => this.#detach())) {
          this.#socket.destroy()
          return
        }
        this.#grow()
      }
      this.#spend(frames)
    } catch {
      // Not STUN: nothing that follows can be understood either.
      this.#socket.destroy()
    }
  }

  readonly #onEnd = (): void => {
    this.#socket.end()
  }

  readonly #onClose = (): void => {
    this.#finish()
    this.#server.closed(this)
  }

  /** Who has an allocation may send what others may not: frames as long as there can be. Whoever relays datagrams is bounded in bytes. */
  #grow(): void {
    if (this.#large || this.#over || !this.#server.hasAllocation(this)) return
    this.#large = true
    const rest = this.#deframer.rest()
    this.#deframer = this.#deframerFor(undefined)
    this.#deframer.push(rest)
  }

  #deframerFor(limit: number | undefined): StreamDeframer {
    return new StreamDeframer(limit, () => this.#server.acceptsChannels(this), LAST_CHANNEL)
  }

  #spend(frames: number): void {
    if (this.#over || this.#server.hasAllocation(this)) return
    const wait = this.#frames.owe(frames)
    if (wait === 0 || this.#cancelWait !== undefined) return
    this.#socket.pause()
    this.#cancelWait = this.#clock.after(wait, () => {
      this.#cancelWait = undefined
      this.#socket.resume()
    })
  }

  #lookWhetherIdle(): void {
    const idle = this.#clock.monotonic() - this.#lastFrame
    if (!this.#seen || (idle >= IDLE_MS && !this.#server.hasAllocation(this))) this.#socket.destroy()
    else
      this.#cancelIdle = this.#clock.after(IDLE_MS, () => {
        this.#lookWhetherIdle()
      })
  }

  #detach(): { readonly socket: Socket; readonly rest: Buffer } {
    this.#finish()
    this.#socket.pause()
    this.#socket.removeListener('data', this.#onData)
    this.#socket.removeListener('end', this.#onEnd)
    this.#socket.removeListener('close', this.#onClose)
    return { socket: this.#socket, rest: this.#deframer.rest() }
  }

  #finish(): void {
    this.#over = true
    this.#cancelIdle()
    this.#cancelWait?.()
  }
}
