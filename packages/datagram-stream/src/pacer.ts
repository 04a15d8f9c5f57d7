const BURST_PACKETS = 16
/** A timer's accuracy: a burst covers at least this many milliseconds, or short round trips would be slowed down by timers. */
const BURST_MS = 2
const GAIN = 1.25

/** Spreads packets over the round-trip time and lets short bursts pass (RFC 9002 §7.7): a bucket of bytes that fills with time. */
export class Pacer {
  readonly #packet: number
  #bytes: number
  #at = 0
  #rate = 0

  constructor(packet: number) {
    this.#packet = packet
    this.#bytes = BURST_PACKETS * packet
  }

  /** Fills the bucket for the time that passed. */
  update(now: number, window: number, roundTripMs: number): void {
    this.#rate = (GAIN * window) / Math.max(roundTripMs, 0.1)
    const capacity = Math.max(BURST_PACKETS * this.#packet, this.#rate * BURST_MS)
    this.#bytes = Math.min(capacity, this.#bytes + this.#rate * (now - this.#at))
    this.#at = now
  }

  get ready(): boolean {
    return this.#bytes >= this.#packet
  }

  /** When the next packet may go, as of the last update. */
  get readyAt(): number {
    return this.ready ? this.#at : this.#at + Math.max(1, (this.#packet - this.#bytes) / this.#rate)
  }

  sent(bytes: number): void {
    this.#bytes -= bytes
  }
}
