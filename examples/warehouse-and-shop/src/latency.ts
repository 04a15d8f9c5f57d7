/** Pairs edits with their arrival on the other side and summarises the delays. */
export class LatencyMeter {
  readonly #editedAt = new Map<string, number>()
  readonly #samples: number[] = []
  /** Milliseconds of the newest pair. */
  last: number | undefined

  edited (id: string, revId: string, at: number): void {
    this.#editedAt.set(`${id} ${revId}`, at)
  }

  received (id: string, revId: string, at: number): void {
    const key = `${id} ${revId}`
    const start = this.#editedAt.get(key)
    if (start === undefined) return
    this.#editedAt.delete(key)
    this.last = at - start
    this.#samples.push(this.last)
  }

  get count (): number { return this.#samples.length }

  /** The given share (0 to 1) of all samples is at most this long; undefined without samples. */
  percentile (share: number): number | undefined {
    const sorted = [...this.#samples].sort((a, b) => a - b)
    return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(sorted.length * share) - 1))]
  }
}
