const INITIAL_PACKETS = 10
const MINIMUM_PACKETS = 2
const REDUCTION = 0.5

/** How many bytes may be on their way: NewReno, as RFC 9002 §7 has it. */
export class CongestionController {
  /** Bytes. */
  window: number
  #threshold = Number.POSITIVE_INFINITY
  /** Losses and acknowledgements of packets sent before this instant belong to a loss already reacted to. */
  #recoveryBegan = Number.NEGATIVE_INFINITY
  /** What was before the last reaction, and the losses since then that have not turned out to be none. */
  #before: { readonly window: number; readonly threshold: number } | undefined
  #suspected = 0
  readonly #packet: number
  readonly #maximum: number

  /** @param packet bytes of a full datagram @param maximum bytes that the window never exceeds */
  constructor(packet: number, maximum: number) {
    this.#packet = packet
    this.#maximum = Math.max(maximum, MINIMUM_PACKETS * packet)
    this.window = Math.min(INITIAL_PACKETS * packet, this.#maximum)
  }

  get slowStart(): boolean {
    return this.window < this.#threshold
  }

  /** @param limited whether the window, and not the application, held the sender back (RFC 9002 §7.8) */
  acknowledged(bytes: number, sentAt: number, limited: boolean): void {
    if (sentAt <= this.#recoveryBegan || !limited) return
    this.window += this.slowStart ? bytes : (this.#packet * bytes) / this.window
    this.window = Math.min(this.window, this.#maximum)
  }

  /** To be called for each lost packet. @param sentAt when it was sent */
  lost(sentAt: number, now: number): void {
    this.#suspected++
    if (sentAt <= this.#recoveryBegan) return
    this.#recoveryBegan = now
    this.#suspected = 1
    this.#before = { window: this.window, threshold: this.#threshold }
    this.#threshold = Math.max(this.window * REDUCTION, MINIMUM_PACKETS * this.#packet)
    this.window = this.#threshold
  }

  /** A packet that had counted as lost arrived after all; when all of them did, the reaction is undone. @param sentAt when it was sent */
  wasLate(sentAt: number): void {
    if (sentAt > this.#recoveryBegan || this.#before === undefined || --this.#suspected > 0) return
    this.window = Math.max(this.window, this.#before.window)
    this.#threshold = this.#before.threshold
    this.#before = undefined
  }

  /** Nothing got through for long: begins anew (RFC 9002 §7.6.2). */
  brokeDown(): void {
    this.#recoveryBegan = Number.NEGATIVE_INFINITY
    this.#before = undefined
    this.window = MINIMUM_PACKETS * this.#packet
  }
}
