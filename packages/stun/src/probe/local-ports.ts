/** Local ports that a probe may use. */
export interface PortRange {
  readonly low: number
  readonly high: number
}

/**
 * Picks local ports for measuring. They are chosen by us and at random, not by the operating system: some hand out ports at a constant distance,
 * beside which a NAT that counts looks like one that preserves. No port is picked twice until most have been used.
 */
export class LocalPorts {
  readonly #range: PortRange
  readonly #random: () => number
  readonly #used = new Set<number>()

  /** @param random numbers from 0 up to 1 */
  constructor(range: PortRange, random: () => number) {
    this.#range = range
    this.#random = random
  }

  /** One that is no neighbour of any picked before. */
  one(): number {
    return this.#pick(1)
  }

  /** The first of `count` neighbours. */
  neighbours(count: number): number {
    return this.#pick(count)
  }

  #pick(count: number): number {
    const { low, high } = this.#range
    for (let tries = 0; ; tries++) {
      const first = low + Math.floor(this.#random() * (high - low + 2 - count))
      if (tries === 100) this.#used.clear()
      if (this.#isFree(first - 1, count + 2)) {
        for (let port = first; port < first + count; port++) this.#used.add(port)
        return first
      }
    }
  }

  #isFree(first: number, count: number): boolean {
    for (let port = first; port < first + count; port++) if (this.#used.has(port)) return false
    return true
  }
}
