import { RangeSet } from './range-set.ts'

const SMALLEST_RING = 16_384

/** A part of the stream to be sent, and whether the stream ends with it. */
export interface StreamPart {
  readonly start: number
  /** Position after its last byte; the end of the stream counts as a byte. */
  readonly end: number
  readonly fin: boolean
}

/**
 * The outgoing half of the stream: bytes from the first that is not acknowledged on, in a ring that grows up to its limit, and which of them
 * are to be sent (again). The end of the stream is treated as one more byte after the last.
 */
export class SendBuffer {
  readonly #limit: number
  #ring = Buffer.alloc(0)
  /** Position of the first byte that is not acknowledged. */
  #base = 0
  #tail = 0
  /** Everything before was sent at least once. */
  #sent = 0
  #ended = false
  readonly #acknowledged = new RangeSet()
  readonly #lost = new RangeSet()
  /** Bytes sent more than once. */
  resentBytes = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  get bufferedBytes(): number {
    return this.#tail - Math.min(this.#base, this.#tail)
  }

  get ended(): boolean {
    return this.#ended
  }

  /** The end of the stream was sent and everything is acknowledged. */
  get finished(): boolean {
    return this.#ended && this.#base > this.#tail
  }

  /** Copies as much as there is room for. @returns how many bytes that was */
  write(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, this.#limit - this.bufferedBytes)
    if (count <= 0) return 0
    this.#reserve(this.bufferedBytes + count)
    const at = this.#tail % this.#ring.length
    const first = Math.min(count, this.#ring.length - at)
    this.#ring.set(bytes.subarray(0, first), at)
    if (first < count) this.#ring.set(bytes.subarray(first, count), 0)
    this.#tail += count
    return count
  }

  end(): void {
    this.#ended = true
  }

  /** Whether {@link next} would give something. */
  pending(windowEnd: number): boolean {
    return this.#lost.count > 0 || this.#sent < Math.min(this.#tail, windowEnd) || (this.#ended && this.#sent === this.#tail)
  }

  /** The next part to be sent: what was lost first, then new bytes before `windowEnd`. */
  next(maxBytes: number, windowEnd: number): StreamPart | undefined {
    if (this.#lost.count > 0) {
      const start = this.#lost.start(0)
      return this.#part(start, Math.min(this.#lost.end(0), start + maxBytes + 1), maxBytes)
    }
    const end = Math.min(this.#tail, windowEnd, this.#sent + maxBytes)
    const last = this.#ended && end === this.#tail ? end + 1 : end
    return last > this.#sent ? this.#part(this.#sent, last, maxBytes) : undefined
  }

  /** The part is on its way. */
  taken({ start, end }: StreamPart): void {
    if (end > this.#sent) this.#sent = end
    else this.resentBytes += end - start
    this.#lost.remove(start, end)
  }

  copy(start: number, bytes: number, target: Buffer, at: number): void {
    if (bytes === 0) return
    const from = start % this.#ring.length
    const first = Math.min(bytes, this.#ring.length - from)
    this.#ring.copy(target, at, from, from + first)
    if (first < bytes) this.#ring.copy(target, at + first, 0, bytes - first)
  }

  acknowledged(start: number, end: number): void {
    if (end <= this.#base) return
    this.#lost.remove(start, end)
    this.#acknowledged.add(Math.max(start, this.#base), end)
    if (this.#acknowledged.start(0) > this.#base) return
    this.#base = this.#acknowledged.end(0)
    this.#acknowledged.remove(0, this.#base)
    if (this.bufferedBytes === 0 && this.#ring.length > 4 * SMALLEST_RING) this.#ring = Buffer.alloc(0)
  }

  /** The other side says that it has everything; believed when everything was sent. */
  acknowledgedAll(): void {
    if (this.#ended && this.#sent > this.#tail) this.acknowledged(this.#base, this.#tail + 1)
  }

  /** To be sent again, as far as it is not acknowledged. */
  lost(start: number, end: number): void {
    this.#acknowledged.gaps(Math.max(start, this.#base), end, (from, to) => {
      this.#lost.add(from, to)
    })
  }

  #part(start: number, end: number, maxBytes: number): StreamPart {
    const fin = end > this.#tail
    const bytes = Math.min((fin ? this.#tail : end) - start, maxBytes)
    return { start, end: start + bytes + (fin && start + bytes === this.#tail ? 1 : 0), fin: fin && start + bytes === this.#tail }
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#ring.length) return
    let size = Math.max(SMALLEST_RING, this.#ring.length)
    while (size < bytes) size *= 2
    const ring = Buffer.allocUnsafeSlow(Math.min(size, Math.max(this.#limit, bytes)))
    for (let at = Math.min(this.#base, this.#tail); at < this.#tail; ) {
      const count = Math.min(this.#tail - at, ring.length - (at % ring.length))
      this.copy(at, count, ring, at % ring.length)
      at += count
    }
    this.#ring = ring
  }
}
