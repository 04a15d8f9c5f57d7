/** Bytes of one slab: big enough for several large frames, small enough that a retained frame does not pin much. */
const SLAB_BYTES = 65_536
/** Slabs kept for another use: somewhat more than a socket buffers before it asks to wait. */
const MAX_KEPT = 6

interface UsedSlab {
  readonly bytes: Buffer
  /** How many bytes had been carved from all slabs together when this one was full. */
  readonly carved: number
}

/**
 * Carves many small buffers from one allocation.
 * Use: `reserve(atLeast)`, write into `bytes` from `offset`, then `take(end)`.
 *
 * Carved bytes are never handed out again, and a slab lives as long as anything carved from it, unless the slab is told how many of the
 * bytes carved last are still in use: then it writes over the others instead of allocating anew. Each allocation counts towards the next full
 * garbage collection, and a stream of blobs needs one every few megabytes.
 */
export class Slab {
  bytes: Buffer = Buffer.alloc(0)
  offset = 0
  #carved = 0
  #used: UsedSlab[] = []
  readonly #inUse: (() => number) | undefined

  /** @param inUse At least as many bytes, of those carved last, are still looked at by others. Without it, all are. */
  constructor(inUse?: () => number) {
    this.#inUse = inUse
  }

  /** Makes room for `atLeast` bytes behind `offset`. */
  reserve(atLeast: number): void {
    if (this.bytes.length - this.offset >= atLeast) return
    if (this.#inUse !== undefined && this.bytes.length === SLAB_BYTES) {
      this.#used.push({ bytes: this.bytes, carved: this.#carved })
      if (this.#used.length > MAX_KEPT) this.#used.shift()
    }
    this.bytes = (atLeast <= SLAB_BYTES ? this.#unused() : undefined) ?? Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, atLeast))
    this.offset = 0
  }

  /** The bytes from `offset` to `end`, which are then gone from the slab. */
  take(end: number): Buffer {
    const taken = this.bytes.subarray(this.offset, end)
    this.#carved += end - this.offset
    this.offset = end
    return taken
  }

  #unused(): Buffer | undefined {
    const oldest = this.#used[0]
    if (oldest === undefined || this.#inUse === undefined || this.#carved - oldest.carved < this.#inUse()) return undefined
    this.#used.shift()
    return oldest.bytes
  }
}
