import { Pipe } from './pipe.ts'
import { type SeededRandom, hashText } from './random.ts'
import type { Trace } from './trace.ts'
import type { VirtualTime } from './virtual-time.ts'

/** How the simulated network behaves. Times are in virtual milliseconds. */
export interface NetworkOptions {
  /** One way, between two hosts; each pair has a value of its own in this range. @default [1, 20] */
  readonly latencyMs?: readonly [low: number, high: number]
  /** Added to each message, at random up to this. @default 2 */
  readonly jitterMs?: number
  /** How many messages have to be sent again, 0 to 1. Streams are reliable, so loss shows as delay. @default 0 */
  readonly loss?: number
  /** What sending again takes. @default 200 */
  readonly retransmitMs?: number
  /** Of each connection and direction. @default unlimited */
  readonly bytesPerSecond?: number
}

/** What went over the network in total. */
export interface NetworkTotals {
  messages: number
  bytes: number
  connections: number
  dials: number
  /** Requests by their profile. */
  readonly requests: Map<string, number>
}

/** Hosts that reach each other, or do not. */
export class SimNetwork {
  readonly time: VirtualTime
  readonly trace: Trace
  readonly totals: NetworkTotals = { messages: 0, bytes: 0, connections: 0, dials: 0, requests: new Map() }
  readonly options: Required<NetworkOptions>
  readonly random: SeededRandom
  readonly #seed: number
  readonly #pipes = new Set<Pipe>()
  /** Which part of the network a host is in; hosts that are not named are in part 0. */
  #parts: ReadonlyMap<number, number> | undefined
  readonly #down = new Set<number>()
  /** Hosts that cannot be dialled, as behind a firewall, though they can dial. */
  readonly #sheltered = new Set<number>()
  /** Pairs whose packets get lost, lower host first. */
  readonly #blocked = new Set<number>()

  constructor(time: VirtualTime, random: SeededRandom, trace: Trace, options: NetworkOptions = {}) {
    this.time = time
    this.trace = trace
    this.random = random.fork('network')
    this.#seed = this.random.below(0x7fffffff)
    this.options = { latencyMs: [1, 20], jitterMs: 2, loss: 0, retransmitMs: 200, bytesPerSecond: Infinity, ...options }
  }

  /** A request of a profile was sent. */
  count(profile: string): void {
    const { requests } = this.totals
    requests.set(profile, (requests.get(profile) ?? 0) + 1)
  }

  /** Milliseconds one way between two hosts, the same both ways. */
  latency(a: number, b: number): number {
    const [low, high] = this.options.latencyMs
    const [first, second] = a < b ? [a, b] : [b, a]
    return low + ((hashText(`${this.#seed} ${first} ${second}`) >>> 0) / 0x1_0000_0000) * (high - low)
  }

  /** Whether packets get from one to the other. */
  passes(a: number, b: number): boolean {
    if (this.#down.has(a) || this.#down.has(b)) return false
    if (this.#parts !== undefined && (this.#parts.get(a) ?? 0) !== (this.#parts.get(b) ?? 0)) return false
    return this.#blocked.size === 0 || !this.#blocked.has(pairOf(a, b))
  }

  /** Whether `from` can open a connection to `to`. */
  canDial(from: number, to: number): boolean {
    return this.passes(from, to) && !this.#sheltered.has(to)
  }

  /** Nobody can dial the host, which can dial itself. */
  shelter(host: number, sheltered = true): void {
    if (sheltered) this.#sheltered.add(host)
    else this.#sheltered.delete(host)
  }

  /** Divides the network: packets stay within a part. Connections across stall; those that live until {@link heal} go on then. */
  partition(parts: ReadonlyMap<number, number>): void {
    this.#parts = parts
    this.#retry()
  }

  /** One network again. */
  heal(): void {
    this.#parts = undefined
    this.#retry()
  }

  /** Cuts the path between two hosts, or restores it. */
  block(a: number, b: number, blocked = true): void {
    if (blocked) this.#blocked.add(pairOf(a, b))
    else this.#blocked.delete(pairOf(a, b))
    this.#retry()
  }

  /** The host vanishes without a word: nothing comes from it any more, and nobody is told. */
  vanish(host: number): void {
    this.#down.add(host)
    for (const pipe of this.#pipes) if (pipe.a.host === host || pipe.b.host === host) pipe.drop(host)
  }

  /** The host is back, without any of its connections. */
  restore(host: number): void {
    this.#down.delete(host)
  }

  isDown(host: number): boolean {
    return this.#down.has(host)
  }

  /** A connection between two hosts; `onward` is what its first messages take. */
  pipe(a: number, b: number): Pipe {
    this.totals.connections++
    const pipe = new Pipe(this, a, b, () => {
      this.#pipes.delete(pipe)
    })
    this.#pipes.add(pipe)
    return pipe
  }

  #retry(): void {
    for (const pipe of this.#pipes) pipe.retry()
  }
}

function pairOf(a: number, b: number): number {
  return a < b ? a * 0x100000 + b : b * 0x100000 + a
}
