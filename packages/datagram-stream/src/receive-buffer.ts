/** Pieces that came too early; more are refused, so that many tiny ones cannot take much memory. */
const MAX_EARLY_PIECES = 4_096
const MAX_READY_PIECES = 4_096

interface Piece {
  readonly start: number
  readonly data: Buffer
}

/** The incoming half of the stream: puts pieces in order, drops what came twice, and keeps no more than the window it offered. */
export class ReceiveBuffer {
  readonly #window: number
  #ready: Buffer[] = []
  #readyBytes = 0
  /** Sorted, without overlaps. */
  readonly #early: Piece[] = []
  /** Position after the last byte in order. */
  #next = 0
  #consumed = 0
  #finalSize: number | undefined

  constructor(window: number) {
    this.#window = window
  }

  /** Position up to which the other side may send. Grows when bytes are read. */
  get windowEnd(): number {
    return this.#consumed + this.#window
  }

  get readableBytes(): number {
    return this.#readyBytes
  }

  /** Everything came, up to the end of the stream. */
  get complete(): boolean {
    return this.#next === this.#finalSize
  }

  /** Everything was read as well. */
  get drained(): boolean {
    return this.complete && this.#readyBytes === 0
  }

  /** @returns whether it was taken; otherwise it must count as not received */
  receive(start: number, data: Buffer, fin: boolean): boolean {
    const end = start + data.length
    if (end > this.windowEnd || (this.#finalSize !== undefined && end > this.#finalSize)) return false
    if (fin) {
      const highest = this.#early.at(-1)
      if (this.#finalSize !== undefined && this.#finalSize !== end) return false
      if (end < this.#next || (highest !== undefined && end < highest.start + highest.data.length)) return false
      this.#finalSize = end
    }
    if (end <= this.#next) return true
    if (start > this.#next) return this.#keep(start, data)
    this.#append(data.subarray(this.#next - start))
    while (this.#early[0] !== undefined && this.#early[0].start <= this.#next) {
      const piece = this.#early.shift()!
      const fresh = piece.data.subarray(this.#next - piece.start)
      if (fresh.length > 0) this.#append(fresh)
    }
    return true
  }

  /** The next bytes in order, at most so many; undefined when there are none. */
  read(maxBytes: number): Buffer | undefined {
    if (this.#readyBytes === 0) return undefined
    let bytes = 0
    let count = 0
    while (count < this.#ready.length && (count === 0 || bytes + this.#ready[count]!.length <= maxBytes))
      bytes += this.#ready[count++]!.length
    const taken = this.#ready.splice(0, count)
    this.#readyBytes -= bytes
    this.#consumed += bytes
    return taken.length === 1 ? taken[0]! : Buffer.concat(taken, bytes)
  }

  #append(data: Buffer): void {
    this.#ready.push(data)
    this.#readyBytes += data.length
    this.#next += data.length
    if (this.#ready.length >= MAX_READY_PIECES) this.#ready = [Buffer.concat(this.#ready, this.#readyBytes)]
  }

  #keep(start: number, data: Buffer): boolean {
    let index = this.#early.length
    while (index > 0 && this.#early[index - 1]!.start > start) index--
    const before = this.#early[index - 1]
    const after = this.#early[index]
    // What overlaps in part comes only from packets cut anew; the parts that are known stay, the rest is kept between them.
    const from = before === undefined ? start : Math.max(start, before.start + before.data.length)
    const end = start + data.length
    const to = after === undefined ? end : Math.min(end, after.start)
    if (from < to) {
      if (this.#early.length >= MAX_EARLY_PIECES) return false
      this.#early.splice(index, 0, { start: from, data: data.subarray(from - start, to - start) })
    }
    const known = after === undefined ? 0 : after.start + after.data.length
    return after === undefined || known >= end || to === end || this.#keep(known, data.subarray(known - start))
  }
}
