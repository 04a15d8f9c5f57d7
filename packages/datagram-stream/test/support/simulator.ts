import { Association } from '../../dist/association.js'
import type { AssociationOptions } from '../../dist/association-options.js'

/** One direction of a simulated path. */
export interface Line {
  /** Probability of each. */
  readonly loss: number
  readonly duplicate: number
  /** Milliseconds; a random part of the jitter is added to each datagram, so that they overtake each other. */
  readonly delayMs: number
  readonly jitterMs: number
  /** Larger datagrams vanish. */
  readonly mtu?: number
  /** Nothing passes from one instant to the other. */
  readonly blackout?: readonly [from: number, to: number]
  /** Bytes per millisecond, with a queue of so many bytes before it. */
  readonly rate?: number
  readonly queueBytes?: number
}

export interface Party {
  readonly bytes: number
  /** Reads at most so many bytes every 10 ms. */
  readonly readsPer10Ms?: number
  /** Ends its direction after it has sent everything; otherwise it waits for the other's end first. */
  readonly endsFirst?: boolean
}

export interface Scenario {
  readonly seed: number
  readonly there: Line
  readonly back: Line
  readonly initiator: Party
  readonly responder: Party
  /** The responder appears so much later. */
  readonly lateMs?: number
  readonly options?: Partial<AssociationOptions>
  readonly limitMs?: number
}

export interface Outcome {
  readonly ms: number
  /** Both sides are closed. */
  readonly over: boolean
  readonly sides: readonly SimulatedSide[]
}

/** A byte of the stream that a side sends, by its position. */
const byteAt = (side: number, position: number): number => (position * 31 + (position >>> 8) * 17 + side * 101) & 255

function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Events by time, in the order they were added where that is equal. */
class Agenda {
  readonly #heap: { at: number; order: number; run: () => void }[] = []
  #order = 0

  add(at: number, run: () => void): void {
    const heap = this.#heap
    heap.push({ at, order: this.#order++, run })
    for (let index = heap.length - 1; index > 0; ) {
      const parent = (index - 1) >>> 1
      if (!this.#before(index, parent)) break
      this.#swap(index, parent)
      index = parent
    }
  }

  take(): { at: number; run: () => void } | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (top === undefined || last === undefined || heap.length === 0) return top
    heap[0] = last
    for (let index = 0; ; ) {
      let least = index
      for (const child of [2 * index + 1, 2 * index + 2]) if (child < heap.length && this.#before(child, least)) least = child
      if (least === index) return top
      this.#swap(index, least)
      index = least
    }
  }

  #before(one: number, other: number): boolean {
    const left = this.#heap[one]!
    const right = this.#heap[other]!
    return left.at < right.at || (left.at === right.at && left.order < right.order)
  }

  #swap(one: number, other: number): void {
    const heap = this.#heap
    const kept = heap[one]!
    heap[one] = heap[other]!
    heap[other] = kept
  }
}

class SimulatedSide {
  readonly association: Association
  readonly #index: number
  readonly #party: Party
  #written = 0
  received = 0
  /** The first position at which something else came than was sent. */
  wrongAt: number | undefined
  ended = false
  datagrams = 0
  bytesSent = 0
  largestBuffered = 0
  wakeAt = Number.POSITIVE_INFINITY
  openedAt: number | undefined

  constructor(index: number, party: Party, association: Association) {
    this.#index = index
    this.#party = party
    this.association = association
  }

  get finished(): boolean {
    return this.association.state === 'closed'
  }

  /** What an application does when it has the processor. */
  act(now: number, mayRead: boolean): void {
    const { association } = this
    if (association.state === 'open') this.openedAt ??= now
    while (this.#written < this.#party.bytes) {
      const chunk = Buffer.alloc(Math.min(4_096, this.#party.bytes - this.#written))
      for (let index = 0; index < chunk.length; index++) chunk[index] = byteAt(this.#index, this.#written + index)
      const taken = association.write(chunk)
      this.#written += taken
      if (taken < chunk.length) break
    }
    this.largestBuffered = Math.max(this.largestBuffered, association.unacknowledgedBytes)
    if (this.#party.readsPer10Ms === undefined || mayRead) {
      let left = this.#party.readsPer10Ms ?? Number.POSITIVE_INFINITY
      while (left > 0) {
        const chunk = association.read(left)
        if (chunk === undefined) break
        left -= chunk.length
        for (const byte of chunk) {
          if (byte !== byteAt(1 - this.#index, this.received)) this.wrongAt ??= this.received
          this.received++
        }
      }
    }
    this.ended = association.receiveFinished
    if (this.#written === this.#party.bytes && (this.#party.endsFirst !== false || this.ended)) association.end()
  }
}

const DEFAULTS = { maxDatagram: 1_200, windowBytes: 2 ** 18, openTimeoutMs: 20_000, keepAliveMs: 10_000, idleTimeoutMs: 60_000 }

/** Plays a whole life of a stream in simulated time; the same scenario always gives the same outcome. */
export function simulate(scenario: Scenario, during?: (now: number, sides: readonly SimulatedSide[]) => void): Outcome {
  const random = randomNumbers(scenario.seed)
  const secret = Buffer.alloc(32, 7)
  const agenda = new Agenda()
  const limit = scenario.limitMs ?? 600_000
  let now = 0
  const make = (index: number, party: Party): SimulatedSide =>
    new SimulatedSide(
      index,
      party,
      new Association({ ...DEFAULTS, ...scenario.options, secret, role: index === 0 ? 'initiator' : 'responder' }, now)
    )
  const sides = [make(0, scenario.initiator), make(1, scenario.responder)] as const
  const present = [true, (scenario.lateMs ?? 0) === 0]
  const lines = [scenario.there, scenario.back] as const
  const freeAt = [0, 0]

  const carry = (from: 0 | 1, datagram: Buffer): void => {
    const line = lines[from]
    const [darkFrom, darkTo] = line.blackout ?? [0, 0]
    if ((now >= darkFrom && now < darkTo) || random() < line.loss || datagram.length > (line.mtu ?? 65_535)) return
    let out = now
    if (line.rate !== undefined) {
      const queued = Math.max(0, freeAt[from]! - now) * line.rate
      if (queued > (line.queueBytes ?? 65_536)) return
      out = freeAt[from] = Math.max(freeAt[from]!, now) + datagram.length / line.rate
    }
    for (let copies = random() < line.duplicate ? 2 : 1; copies > 0; copies--) {
      agenda.add(out + line.delayMs + random() * line.jitterMs, () => {
        const to = (1 - from) as 0 | 1
        if (!present[to]) return
        sides[to].association.receive(Buffer.from(datagram), now)
        run(to)
      })
    }
  }

  const run = (index: 0 | 1, mayRead = false): void => {
    const side = sides[index]
    if (!present[index]) return
    side.act(now, mayRead)
    for (let datagram = side.association.next(now); datagram !== undefined; datagram = side.association.next(now)) {
      side.datagrams++
      side.bytesSent += datagram.length
      carry(index, datagram)
    }
    const { deadline } = side.association
    if (deadline === undefined || deadline >= side.wakeAt) return
    const wakeAt = Math.max(deadline, now + 0.01)
    side.wakeAt = wakeAt
    agenda.add(wakeAt, () => {
      if (side.wakeAt === wakeAt) side.wakeAt = Number.POSITIVE_INFINITY
      run(index)
    })
  }

  const readSlowly = (index: 0 | 1): void => {
    run(index, true)
    if (!sides[index].finished || !sides[index].ended)
      agenda.add(now + 10, () => {
        readSlowly(index)
      })
  }
  agenda.add(0, () => {
    run(0)
  })
  agenda.add(scenario.lateMs ?? 0, () => {
    present[1] = true
    run(1)
  })
  for (const index of [0, 1] as const) {
    const { readsPer10Ms } = index === 0 ? scenario.initiator : scenario.responder
    if (readsPer10Ms !== undefined) readSlowly(index)
  }
  for (let event = agenda.take(); event !== undefined && event.at <= limit; event = agenda.take()) {
    now = event.at
    event.run()
    during?.(now, sides)
    if (sides.every((side) => side.finished && (side.ended || side.association.error !== undefined))) break
  }
  return { ms: now, over: sides.every((side) => side.finished), sides }
}
