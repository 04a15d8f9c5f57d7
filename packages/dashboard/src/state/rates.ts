import type { Clock } from '@kithmesh/core'
import type { Rate, Traffic } from '../contracts.ts'

/** What a rate is taken over. */
const windowMs = 5_000
/** Samples closer to each other than this are one. */
const resolutionMs = 250

interface Sample {
  readonly at: number
  readonly totals: ReadonlyMap<string, Traffic>
}

const none: Traffic = { documentsIn: 0, documentsOut: 0, bytesIn: 0, bytesOut: 0 }

/** Rates from totals that are looked at now and then. */
export class Rates {
  readonly #clock: Clock
  #samples: Sample[] = []

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes the totals of now, by any key. */
  sample(totals: ReadonlyMap<string, Traffic>): void {
    const at = this.#clock.monotonic()
    const last = this.#samples.at(-1)
    if (last !== undefined && at - last.at < resolutionMs) return
    // One sample from before the window stays, to count from.
    const inside = this.#samples.findIndex((sample) => at - sample.at <= windowMs)
    this.#samples = [...(inside === -1 ? this.#samples.slice(-1) : this.#samples.slice(Math.max(0, inside - 1))), { at, totals }]
  }

  /** Per second, over the last five; nothing while there are no two samples. */
  of(key: string): Rate {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)]
    if (first === undefined || last === undefined || first === last) return none
    const [before, after] = [first.totals.get(key) ?? none, last.totals.get(key) ?? none]
    const seconds = (last.at - first.at) / 1_000
    const per = (field: keyof Traffic): number => Math.max(0, Math.round(((after[field] - before[field]) / seconds) * 10) / 10)
    return { documentsIn: per('documentsIn'), documentsOut: per('documentsOut'), bytesIn: per('bytesIn'), bytesOut: per('bytesOut') }
  }
}
