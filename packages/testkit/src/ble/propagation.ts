import type { Random } from './random.ts'
import type { VirtualController } from './controller-types.ts'

/** Where a controller is, in metres. */
export interface Position {
  readonly x: number
  readonly y: number
}

/** What is lost on the way, as shares from 0 to 1. */
export interface Loss {
  /** Of advertisements and scan responses, each for itself. */
  readonly advertising?: number
  /** Of data packets. They are sent again in the next connection event, so that loss delays them; nothing but the supervision timeout loses them. */
  readonly data?: number
}

/** dBm between devices whose places are not known. */
const NEARBY = -50
/** dBm at a metre, and the loss for each factor of ten in distance: a small device in an office. */
const AT_ONE_METRE = -59
const PER_DECADE = 25

/** Who hears whom, and how well. Symmetric: what one end hears, the other does. */
export class Propagation {
  advertisingLoss = 0
  dataLoss = 0
  readonly #random: Random
  readonly #positions = new Map<VirtualController, Position>()
  readonly #fixed = new Map<VirtualController, Map<VirtualController, number>>()
  readonly #apart = new Map<VirtualController, Set<VirtualController | 'all'>>()
  #range = Number.POSITIVE_INFINITY

  constructor(random: Random) {
    this.#random = random
  }

  /** dBm, or undefined when they do not hear each other. */
  rssi(a: VirtualController, b: VirtualController): number | undefined {
    if (this.#apart.size > 0 && (this.#isApart(a, b) || this.#isApart(b, a))) return undefined
    const fixed = this.#fixed.get(a)?.get(b)
    if (fixed !== undefined) return fixed
    const [here, there] = [this.#positions.get(a), this.#positions.get(b)]
    if (here === undefined || there === undefined) return NEARBY
    const distance = Math.hypot(here.x - there.x, here.y - there.y)
    if (distance > this.#range) return undefined
    return Math.max(-127, Math.min(20, Math.round(AT_ONE_METRE - PER_DECADE * Math.log10(Math.max(distance, 0.05)))))
  }

  loses(share: number): boolean {
    return share > 0 && this.#random() < share
  }

  setRange(metres: number): void {
    this.#range = metres
  }

  place(controller: VirtualController, position: Position): void {
    this.#positions.set(controller, position)
  }

  setRssi(a: VirtualController, b: VirtualController, dBm: number | undefined): void {
    for (const [from, to] of [
      [a, b],
      [b, a]
    ] as const) {
      const row = this.#fixed.get(from) ?? new Map<VirtualController, number>()
      this.#fixed.set(from, row)
      if (dBm === undefined) row.delete(to)
      else row.set(to, dBm)
    }
  }

  separate(a: VirtualController, b: VirtualController | 'all'): void {
    const from = this.#apart.get(a) ?? new Set()
    this.#apart.set(a, from)
    from.add(b)
  }

  join(a: VirtualController, b: VirtualController | 'all'): void {
    if (b === 'all') this.#apart.delete(a)
    for (const [from, to] of [
      [a, b],
      [b, a]
    ] as const) {
      if (from === 'all') {
        for (const others of this.#apart.values()) others.delete(a)
        continue
      }
      const others = this.#apart.get(from)
      others?.delete(to)
      if (others?.size === 0) this.#apart.delete(from)
    }
  }

  /** The controller is no longer on the air. */
  forget(controller: VirtualController): void {
    this.#positions.delete(controller)
    this.#fixed.delete(controller)
    for (const row of this.#fixed.values()) row.delete(controller)
    this.join(controller, 'all')
  }

  #isApart(a: VirtualController, b: VirtualController): boolean {
    const others = this.#apart.get(a)
    return others !== undefined && (others.has(b) || others.has('all'))
  }
}
