// How much moves per second, from totals that come now and then. No DOM.

/** Running totals of what a device, or the whole mesh, has moved. */
export interface Totals {
  readonly documentsIn: number
  readonly documentsOut: number
  readonly bytesIn: number
  readonly bytesOut: number
}

export type TotalName = keyof Totals

const names: readonly TotalName[] = ['documentsIn', 'documentsOut', 'bytesIn', 'bytesOut']
const nothing: Totals = { documentsIn: 0, documentsOut: 0, bytesIn: 0, bytesOut: 0 }

/** What has moved in each of the last seconds. */
export class RateHistory {
  readonly seconds: number
  #last: Totals | undefined
  /** By second since 1970; older ones than `seconds` are dropped. */
  readonly #moved = new Map<number, Totals>()

  constructor(seconds = 60) {
    this.seconds = seconds
  }

  /**
   * Takes the totals of a moment, in milliseconds since 1970. The first ones are where counting begins, and so are those after a gap (`resumed`),
   * as nobody knows when it was that they moved; totals that have shrunk are those of a mesh that was started anew.
   */
  add(at: number, totals: Totals, { resumed = false }: { readonly resumed?: boolean } = {}): void {
    const last = this.#last
    this.#last = totals
    if (last === undefined || resumed || names.some((name) => totals[name] < last[name])) return
    if (names.every((name) => totals[name] === last[name])) return
    const second = Math.floor(at / 1000)
    const sum = this.#moved.get(second) ?? nothing
    this.#moved.set(second, {
      documentsIn: sum.documentsIn + totals.documentsIn - last.documentsIn,
      documentsOut: sum.documentsOut + totals.documentsOut - last.documentsOut,
      bytesIn: sum.bytesIn + totals.bytesIn - last.bytesIn,
      bytesOut: sum.bytesOut + totals.bytesOut - last.bytesOut
    })
    for (const old of this.#moved.keys()) if (old <= second - this.seconds) this.#moved.delete(old)
  }

  /** What moved in each second, oldest first; the last one is the second that is not over yet. */
  series(now: number, name: TotalName): number[] {
    const current = Math.floor(now / 1000)
    return Array.from({ length: this.seconds }, (_, index) => this.#moved.get(current - this.seconds + 1 + index)?.[name] ?? 0)
  }

  /** Per second, over the last `window` seconds that are over and the one that is not. */
  rate(now: number, name: TotalName, window = 4): number {
    const current = Math.floor(now / 1000)
    let sum = 0
    for (let second = current - window; second <= current; second++) sum += this.#moved.get(second)?.[name] ?? 0
    return sum / (window + (now / 1000 - current))
  }
}

/** The points of a line through `values` in a box of `width` × `height`, as SVG's `points` wants them. `top` is the value at the upper edge. */
export function sparkline(values: readonly number[], width: number, height: number, top = Math.max(1, ...values)): string {
  const step = values.length > 1 ? width / (values.length - 1) : 0
  return values.map((value, index) => `${round(index * step)},${round(height - (Math.min(value, top) / top) * height)}`).join(' ')
}

const round = (value: number): number => Math.round(value * 10) / 10
