const maxSamples = 1000

/** Pairs edits with their arrival on the other side and summarises the delays of the latest thousand. */
export class LatencyMeter {
  /** Oldest first; an edit that another replaced before it was sent never arrives. */
  readonly #editedAt = new Map<string, number>()
  readonly #samples: number[] = []
  #next = 0
  /** Milliseconds of the newest pair. */
  last: number | undefined

  edited(id: string, revId: string, at: number): void {
    this.#editedAt.set(`${id} ${revId}`, at)
    const [oldest] = this.#editedAt.keys()
    if (this.#editedAt.size > maxSamples && oldest !== undefined) this.#editedAt.delete(oldest)
  }

  received(id: string, revId: string, at: number): void {
    const key = `${id} ${revId}`
    const start = this.#editedAt.get(key)
    if (start === undefined) return
    this.#editedAt.delete(key)
    this.last = at - start
    this.#samples[this.#next] = this.last
    this.#next = (this.#next + 1) % maxSamples
  }

  get count(): number {
    return this.#samples.length
  }

  /** The given share (0 to 1) of the samples is at most this long; undefined without samples. */
  percentile(share: number): number | undefined {
    const sorted = [...this.#samples].sort((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))]
  }
}
