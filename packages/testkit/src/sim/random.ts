/**
 * Random numbers that depend on a seed alone (sfc32). Parts of a simulation take generators of their own with {@link SeededRandom.fork},
 * so that one part that asks for more numbers does not change what the others get.
 */
export class SeededRandom {
  readonly #seed: string
  #a: number
  #b: number
  #c: number
  #d = 1

  constructor(seed: number | string) {
    this.#seed = String(seed)
    let hash = hashText(this.#seed)
    const next = (): number => {
      hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad)
      hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97)
      hash ^= hash >>> 15
      return hash | 0
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    for (let i = 0; i < 12; i++) this.#next()
  }

  /** From 0 up to but without 1. */
  next(): number {
    return (this.#next() >>> 0) / 0x1_0000_0000
  }

  /** A whole number from 0 up to but without `bound`. */
  below(bound: number): number {
    return Math.floor(this.next() * bound)
  }

  /** From `low` up to but without `high`. */
  between(low: number, high: number): number {
    return low + this.next() * (high - low)
  }

  /** True that often, 0 to 1. */
  chance(probability: number): boolean {
    return probability > 0 && this.next() < probability
  }

  /** One of them; there must be one. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  /** In a random order; the list given stays as it is. */
  shuffled<T>(list: readonly T[]): T[] {
    const copy = [...list]
    for (let i = copy.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      ;[copy[i], copy[j]] = [copy[j] as T, copy[i] as T]
    }
    return copy
  }

  /** Lower-case hex digits. */
  hex(digits: number): string {
    let text = ''
    while (text.length < digits) text += (this.#next() >>> 0).toString(16).padStart(8, '0')
    return text.slice(0, digits)
  }

  /** A UUID in its usual form, version 4. */
  uuid(): string {
    const hex = this.hex(32)
    const variant = '89ab'[this.below(4)] as string
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`
  }

  /** Bytes that no compression makes smaller. */
  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let i = 0; i < length; i++) bytes[i] = this.#next() & 0xff
    return bytes
  }

  /** Another generator that depends on the same seed and this label, however many numbers were taken here. */
  fork(label: string | number): SeededRandom {
    return new SeededRandom(`${this.#seed}/${label}`)
  }

  #next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#d) | 0
    this.#d = (this.#d + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + sum) | 0
    return sum
  }
}

/** 32 bits of a text (FNV-1a). */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash | 0
}
