import { type BlipPeer, createBlipConnection } from '@kithmesh/blip'
import type { MessageSocket, MessageSocketHandlers, SocketCloseInfo } from '@kithmesh/core'

/** One end of a connection in memory: messages arrive on later turns, in order, until it is closed or cut. */
class WireEnd implements MessageSocket {
  readonly protocol = 'BLIP_3+CBMobile_3'
  readonly description = 'memory'
  bufferedBytes = 0
  paused = false
  peer!: WireEnd
  readonly #wire: Wire
  #handlers: MessageSocketHandlers | undefined
  #queue: Buffer[] = []
  #scheduled = false
  #full = false
  #end: SocketCloseInfo | undefined
  over = false

  constructor(wire: Wire) {
    this.#wire = wire
  }

  attach(handlers: MessageSocketHandlers): void {
    this.#handlers = handlers
    this.peer.schedule()
  }

  send(message: Uint8Array): boolean {
    if (this.#end !== undefined || this.over) return false
    this.#queue.push(Buffer.from(message))
    this.bufferedBytes += message.length
    this.schedule()
    this.#full ||= this.bufferedBytes > 65_536
    return this.bufferedBytes <= 65_536
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    this.peer.schedule()
  }

  close(code = 1000, reason = ''): void {
    if (this.#end !== undefined) return
    this.#end = { code, reason }
    this.schedule()
  }

  terminate(): void {
    this.#wire.cut()
  }

  cut(): void {
    if (this.over) return
    this.over = true
    this.#queue = []
    this.#handlers?.closed({ code: 1006, reason: '' })
  }

  schedule(): void {
    if (this.#scheduled || this.over) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#deliver()
    })
  }

  #deliver(): void {
    const { peer } = this
    if (peer.#handlers === undefined || this.over || this.#wire.stalled) return
    for (let i = 0; i < 4 && this.#queue.length > 0 && !peer.paused && !peer.over; i++) {
      const message = this.#queue.shift()!
      this.bufferedBytes -= message.length
      this.#wire.bytes += message.length
      peer.#handlers.message(message)
      if (++this.#wire.delivered === this.#wire.cutAfter) this.#wire.cut()
    }
    if (this.#full && this.bufferedBytes <= 32_768 && !this.over) {
      this.#full = false
      this.#handlers?.drained()
    }
    if (this.#queue.length > 0 && !peer.paused) this.schedule()
    if (this.#queue.length === 0 && this.#end !== undefined) {
      const info = this.#end
      for (const socket of [this as WireEnd, peer]) {
        if (socket.over) continue
        socket.over = true
        socket.#handlers?.closed(info)
      }
    }
  }
}

/** A connection in memory between two ends, `a` the one that dialled; it can be cut at any message and held up. */
export class Wire {
  readonly a: WireEnd
  readonly b: WireEnd
  delivered = 0
  bytes = 0
  /** Cuts the connection when so many messages have arrived, both directions counted. */
  cutAfter = -1
  #stalled = false

  constructor() {
    this.a = new WireEnd(this)
    this.b = new WireEnd(this)
    this.a.peer = this.b
    this.b.peer = this.a
  }

  get stalled(): boolean {
    return this.#stalled
  }

  get over(): boolean {
    return this.a.over && this.b.over
  }

  /** Nothing arrives until it goes on. */
  stall(stalled: boolean): void {
    this.#stalled = stalled
    this.a.schedule()
    this.b.schedule()
  }

  /** Both ends find out at once, without a word. */
  cut(): void {
    this.a.cut()
    this.b.cut()
  }

  /** BLIP at both ends. */
  open(): [BlipPeer, BlipPeer] {
    return [createBlipConnection(this.a), createBlipConnection(this.b)]
  }
}
