import type { SimNetwork } from './network.ts'
import type { VirtualEvent } from './virtual-time.ts'

/** The pauses before a message is sent again double up to this. */
const MAX_RETRANSMIT_MS = 2000

/** One direction of a connection: what is sent arrives in order, later, and only while packets pass. */
export class PipeEnd {
  readonly host: number
  readonly #pipe: Pipe
  readonly #network: SimNetwork
  readonly #latency: number
  #other!: PipeEnd
  /** Called with what arrives here, at its time. */
  receive: (message: unknown) => void = () => {}
  /** What is on its way to the other end, with the instants of arrival. */
  #queue: unknown[] = []
  #arrivals: number[] = []
  #head = 0
  #lastArrival = 0
  /** The instant of the last sending. */
  #burstAt = -1
  /** When the line will have taken everything. */
  #lineFree = 0
  #event: VirtualEvent | undefined
  #stalled = false
  messagesSent = 0
  bytesSent = 0

  constructor(pipe: Pipe, network: SimNetwork, host: number, latency: number) {
    this.#pipe = pipe
    this.#network = network
    this.host = host
    this.#latency = latency
  }

  /** @internal */
  join(other: PipeEnd): void {
    this.#other = other
  }

  get network(): SimNetwork {
    return this.#network
  }
  get other(): PipeEnd {
    return this.#other
  }

  send(message: unknown, bytes: number): void {
    if (this.#pipe.ended) return
    const { time, options, totals } = this.#network
    totals.messages++
    totals.bytes += bytes
    this.messagesSent++
    this.bytesSent += bytes
    if (this.#burstAt !== time.now || options.bytesPerSecond !== Infinity) {
      this.#burstAt = time.now
      this.#lastArrival = Math.max(this.#lastArrival, this.#arrival(bytes))
    } else if (options.loss > 0) this.#lastArrival = Math.max(this.#lastArrival, this.#lastArrival + this.#again())
    this.#queue.push(message)
    this.#arrivals.push(this.#lastArrival)
    if (this.#event === undefined && !this.#stalled) this.#plan()
  }

  /** When what is sent now arrives. What is sent at one instant goes together, so it does not jitter apart. */
  #arrival(bytes: number): number {
    const { time, random, options } = this.#network
    let leaves = time.now
    if (options.bytesPerSecond !== Infinity) {
      leaves = Math.max(leaves, this.#lineFree) + (1000 * bytes) / options.bytesPerSecond
      this.#lineFree = leaves
    }
    return Math.ceil(leaves + this.#latency + (options.jitterMs > 0 ? random.next() * options.jitterMs : 0) + this.#again())
  }

  /** What sending again takes, if need be. */
  #again(): number {
    const { random, options } = this.#network
    let later = 0
    for (let pause = options.retransmitMs; random.chance(options.loss) && pause < MAX_RETRANSMIT_MS; pause *= 2) later += pause
    return later
  }

  /** Packets may pass again. */
  retry(): void {
    if (!this.#stalled || this.#pipe.ended || !this.#network.passes(this.host, this.#other.host)) return
    this.#stalled = false
    // Sent again at the next timeout of the stream.
    const later = Math.ceil(this.#network.time.now + this.#latency + this.#network.random.between(0, this.#network.options.retransmitMs))
    for (let i = this.#head; i < this.#arrivals.length; i++) this.#arrivals[i] = Math.max(this.#arrivals[i] as number, later)
    this.#lastArrival = Math.max(this.#lastArrival, later)
    if (this.#head < this.#queue.length) this.#plan()
  }

  /** Nothing more arrives. */
  clear(): void {
    if (this.#event !== undefined) this.#event.run = undefined
    this.#event = undefined
    this.#queue = []
    this.#arrivals = []
    this.#head = 0
    this.receive = () => {}
  }

  #plan(): void {
    const { time } = this.#network
    this.#event = time.after((this.#arrivals[this.#head] as number) - time.now, () => {
      this.#event = undefined
      this.#deliver()
    })
  }

  #deliver(): void {
    if (!this.#network.passes(this.host, this.#other.host)) {
      this.#stalled = true
      return
    }
    const { now } = this.#network.time
    const from = this.#head
    while (this.#head < this.#queue.length && (this.#arrivals[this.#head] as number) <= now) {
      const message = this.#queue[this.#head]
      this.#queue[this.#head++] = undefined
      this.#other.receive(message)
      if (this.#pipe.ended) return
    }
    this.#network.trace.note(now, 1, this.host * 0x1000 + this.#other.host, this.#head - from)
    if (this.#head < this.#queue.length) {
      if (this.#event === undefined) this.#plan()
    } else {
      this.#queue = []
      this.#arrivals = []
      this.#head = 0
    }
  }
}

/** A reliable, ordered connection between two hosts. */
export class Pipe {
  readonly a: PipeEnd
  readonly b: PipeEnd
  readonly #onEnd: () => void
  ended = false
  #left = 0

  constructor(network: SimNetwork, a: number, b: number, onEnd: () => void) {
    const latency = network.latency(a, b)
    this.a = new PipeEnd(this, network, a, latency)
    this.b = new PipeEnd(this, network, b, latency)
    this.a.join(this.b)
    this.b.join(this.a)
    this.#onEnd = onEnd
  }

  /** An end has left; the other one is still told what is on its way to it. */
  leave(end: PipeEnd): void {
    end.receive = () => {}
    this.#left++
    if (this.#left === 2) this.end()
  }

  /** Both ends know that it is over. Idempotent. */
  end(): void {
    if (this.ended) return
    this.ended = true
    this.a.clear()
    this.b.clear()
    this.#onEnd()
  }

  /** Packets may pass again. */
  retry(): void {
    this.a.retry()
    this.b.retry()
  }

  /** A host is gone: nothing comes from it any more, and what is sent to it is lost. */
  drop(host: number): void {
    for (const end of [this.a, this.b]) if (end.host === host) end.clear()
    this.#left++
    if (this.#left === 2) this.end()
  }
}
