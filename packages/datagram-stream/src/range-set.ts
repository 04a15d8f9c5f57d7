/** A set of integers kept as sorted half-open ranges that neither touch nor overlap. Made for few ranges with most changes near the top. */
export class RangeSet {
  readonly #starts: number[] = []
  readonly #ends: number[] = []

  /** Number of ranges. */
  get count(): number {
    return this.#starts.length
  }

  start(index: number): number {
    return this.#starts[index]!
  }

  end(index: number): number {
    return this.#ends[index]!
  }

  clear(): void {
    this.#starts.length = 0
    this.#ends.length = 0
  }

  has(value: number): boolean {
    const index = this.#firstEndingAfter(value)
    return index < this.#starts.length && this.#starts[index]! <= value
  }

  add(start: number, end: number): void {
    if (start >= end) return
    const last = this.#ends.length - 1
    if (last >= 0 && this.#ends[last] === start) {
      this.#ends[last] = end
      return
    }
    if (last < 0 || this.#ends[last]! < start) {
      this.#starts.push(start)
      this.#ends.push(end)
      return
    }
    const from = this.#firstEndingAfter(start - 1)
    let to = from
    while (to < this.#starts.length && this.#starts[to]! <= end) to++
    const merged = to > from
    const first = merged ? Math.min(start, this.#starts[from]!) : start
    const past = merged ? Math.max(end, this.#ends[to - 1]!) : end
    this.#starts.splice(from, to - from, first)
    this.#ends.splice(from, to - from, past)
  }

  remove(start: number, end: number): void {
    if (start >= end) return
    const from = this.#firstEndingAfter(start)
    let to = from
    while (to < this.#starts.length && this.#starts[to]! < end) to++
    if (to === from) return
    const starts: number[] = []
    const ends: number[] = []
    if (this.#starts[from]! < start) {
      starts.push(this.#starts[from]!)
      ends.push(start)
    }
    if (this.#ends[to - 1]! > end) {
      starts.push(end)
      ends.push(this.#ends[to - 1]!)
    }
    this.#starts.splice(from, to - from, ...starts)
    this.#ends.splice(from, to - from, ...ends)
  }

  /** Forgets the lowest ranges until at most `count` are left. */
  keepHighest(count: number): void {
    const excess = this.#starts.length - count
    if (excess <= 0) return
    this.#starts.splice(0, excess)
    this.#ends.splice(0, excess)
  }

  /** Calls `visit` for each part of `start` to `end` that is not in the set, in order. */
  gaps(start: number, end: number, visit: (start: number, end: number) => void): void {
    let at = start
    for (let index = this.#firstEndingAfter(start); index < this.#starts.length && this.#starts[index]! < end; index++) {
      if (this.#starts[index]! > at) visit(at, this.#starts[index]!)
      at = Math.max(at, this.#ends[index]!)
    }
    if (at < end) visit(at, end)
  }

  /** The index of the first range that ends above `value`. */
  #firstEndingAfter(value: number): number {
    let low = 0
    let high = this.#ends.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#ends[middle]! > value) high = middle
      else low = middle + 1
    }
    return low
  }
}
