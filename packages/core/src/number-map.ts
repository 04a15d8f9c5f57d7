/** Numbers of one page. */
const PAGE = 256

interface Page<T> {
  index: number
  readonly values: (T | undefined)[]
  used: number
}

/**
 * Values under numbers that are given out in ascending order and mostly end in about that order: requests, sequences. A `Map` in which thousands come
 * and go makes its table anew every few thousand of them, large enough to stay until a full garbage collection; here a few pages go round.
 */
export class NumberMap<T> {
  private readonly pages = new Map<number, Page<T>>()
  /** The page used last; as a rule the next number is on it too. */
  private latest: Page<T> | undefined
  private spare: Page<T> | undefined
  private count = 0

  get size(): number {
    return this.count
  }

  get(number: number): T | undefined {
    return this.page(number)?.values[number % PAGE]
  }

  has(number: number): boolean {
    return this.get(number) !== undefined
  }

  /** @param number a non-negative safe integer. */
  set(number: number, value: NonNullable<T>): void {
    const page = this.page(number) ?? this.newPage(number)
    const slot = number % PAGE
    if (page.values[slot] === undefined) {
      page.used++
      this.count++
    }
    page.values[slot] = value
  }

  /** Returns what was there. */
  delete(number: number): T | undefined {
    const page = this.page(number)
    const slot = number % PAGE
    const value = page?.values[slot]
    if (page === undefined || value === undefined) return undefined
    page.values[slot] = undefined
    this.count--
    if (--page.used === 0) {
      this.pages.delete(page.index)
      this.latest = undefined
      this.spare = page
    }
    return value
  }

  /** The smallest number there is. */
  get first(): number | undefined {
    let page: Page<T> | undefined
    for (const other of this.pages.values()) if (page === undefined || other.index < page.index) page = other
    return page === undefined ? undefined : page.index * PAGE + page.values.findIndex((value) => value !== undefined)
  }

  /** Ascending. */
  keys(): number[] {
    const numbers: number[] = []
    for (const { index, values } of this.sorted()) {
      for (let slot = 0; slot < PAGE; slot++) if (values[slot] !== undefined) numbers.push(index * PAGE + slot)
    }
    return numbers
  }

  /** By ascending number. */
  values(): T[] {
    return this.sorted().flatMap(({ values }) => values.filter((value) => value !== undefined))
  }

  clear(): void {
    this.pages.clear()
    this.latest = undefined
    this.count = 0
  }

  private sorted(): Page<T>[] {
    return [...this.pages.values()].sort((a, b) => a.index - b.index)
  }

  private page(number: number): Page<T> | undefined {
    const index = Math.floor(number / PAGE)
    if (this.latest?.index === index) return this.latest
    const page = this.pages.get(index)
    if (page !== undefined) this.latest = page
    return page
  }

  private newPage(number: number): Page<T> {
    const page = this.spare ?? { index: 0, values: new Array<T | undefined>(PAGE).fill(undefined), used: 0 }
    this.spare = undefined
    page.index = Math.floor(number / PAGE)
    this.pages.set(page.index, page)
    this.latest = page
    return page
  }
}
