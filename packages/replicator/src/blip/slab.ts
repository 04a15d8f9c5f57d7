/** Bytes of one slab: big enough for several large frames, small enough that a retained frame does not pin much. */
const SLAB_BYTES = 65_536

/**
 * Carves many small buffers from one allocation. Carved bytes are never handed out again; a slab lives as long as anything carved from it.
 * Use: `reserve(atLeast)`, write into `bytes` from `offset`, then `take(end)`.
 */
export class Slab {
  bytes: Buffer = Buffer.alloc(0)
  offset = 0

  /** Makes room for `atLeast` bytes behind `offset`. */
  reserve(atLeast: number): void {
    if (this.bytes.length - this.offset >= atLeast) return
    this.bytes = Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, atLeast))
    this.offset = 0
  }

  /** The bytes from `offset` to `end`, which are then gone from the slab. */
  take(end: number): Buffer {
    const taken = this.bytes.subarray(this.offset, end)
    this.offset = end
    return taken
  }
}
