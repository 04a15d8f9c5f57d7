// An input of the fuzzer is a string of bytes; targets turn it into frames, messages or packets by asking it for choices. A mutated byte is
// another choice, so that every input means something.

export class Choices {
  #bytes
  #at = 0

  constructor(bytes) {
    this.#bytes = bytes
  }

  get over() {
    return this.#at >= this.#bytes.length
  }

  /** 0 to 255; 0 when the input is used up. */
  byte() {
    return this.#bytes[this.#at++] ?? 0
  }

  /** 0 to below `limit`. */
  below(limit) {
    return limit <= 256 ? this.byte() % limit : ((this.byte() << 16) | (this.byte() << 8) | this.byte()) % limit
  }

  pick(list) {
    return list[this.below(list.length)]
  }

  /** True once in `n` times; false when the input is used up. */
  oneIn(n) {
    return this.byte() % n === 1
  }

  bytes(count) {
    const result = Buffer.alloc(count)
    for (let n = 0; n < count; n++) result[n] = this.byte()
    return result
  }
}

/** Seeded random numbers (xorshift32). */
export class Random {
  #state

  constructor(seed) {
    this.#state = seed | 0 || 1
    for (let n = 0; n < 8; n++) this.below(2)
  }

  below(limit) {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % limit
  }

  bytes(count) {
    return Buffer.from(Array.from({ length: count }, () => this.below(256)))
  }
}

const INTERESTING = [0, 1, 2, 3, 7, 8, 16, 32, 63, 64, 100, 127, 128, 200, 254, 255]

/** A variation of an input, possibly crossed with another. */
export function mutate(input, other, random) {
  let bytes = Buffer.from(input)
  for (let n = 1 + random.below(6); n > 0; n--) {
    const at = bytes.length === 0 ? 0 : random.below(bytes.length)
    const end = Math.min(bytes.length, at + 1 + random.below(16))
    switch (random.below(8)) {
      case 0:
        bytes[at] = random.below(256)
        break
      case 1:
        bytes[at] = INTERESTING[random.below(INTERESTING.length)]
        break
      case 2:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
        break
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(12)), bytes.subarray(at)])
        break
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)])
        break
      case 5:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at, end), bytes.subarray(end)])
        break
      case 6: {
        const from = other.length === 0 ? 0 : random.below(other.length)
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + 1 + random.below(40)), bytes.subarray(at)])
        break
      }
      default:
        bytes = Buffer.concat([bytes, random.bytes(1 + random.below(30))])
    }
  }
  return bytes.subarray(0, 600)
}
