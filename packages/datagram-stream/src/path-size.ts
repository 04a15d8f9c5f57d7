/** Every path in use carries this much: IPv4 guarantees 576 bytes, headers of IP, UDP and TURN included. */
const BASE_BYTES = 512
/** So many full datagrams lost in a row, while small ones get through, are no accident. */
const LOST_IN_A_ROW = 5
/** Time-outs in a row after which small datagrams are tried. */
const TIMEOUTS = 2
const RAISE_EVERY_MS = 5_000

/** Finds out when a path swallows full datagrams, and makes them smaller while it does (after RFC 8899 §4.3, black hole detection). */
export class PathSize {
  readonly #full: number
  #lost = 0
  #small = false
  #raiseAt = 0

  constructor(full: number) {
    this.#full = full
  }

  /** The size of the next datagram with data. @param timeouts time-outs in a row */
  next(now: number, timeouts: number): number {
    const small = this.#small ? now < this.#raiseAt : timeouts > TIMEOUTS
    return small ? Math.min(BASE_BYTES, this.#full) : this.#full
  }

  sent(bytes: number, now: number): void {
    if (this.#small && bytes > BASE_BYTES) this.#raiseAt = now + RAISE_EVERY_MS
  }

  acknowledged(bytes: number, now: number): void {
    if (bytes > BASE_BYTES) {
      this.#lost = 0
      this.#small = false
    } else if (this.#lost >= LOST_IN_A_ROW && !this.#small) {
      this.#small = true
      this.#raiseAt = now + RAISE_EVERY_MS
    }
  }

  /** @returns whether the loss says something about congestion: that of a full datagram sent to try the size does not */
  lost(bytes: number): boolean {
    if (bytes <= BASE_BYTES) return true
    this.#lost++
    return !this.#small
  }
}
