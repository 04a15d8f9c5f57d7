/** Credits a sender may hold at most (Core Specification, vol. 3, part A, §10.1). */
const MAX_CREDITS = 65_535
/** Bytes of the length of an SDU, in the first of its frames (§3.4.3). */
export const SDU_LENGTH_BYTES = 2

/**
 * What one side of a channel has still to send: queued bytes, cut into SDUs and these into K-frames, one credit each
 * (Core Specification, vol. 3, part A, §3.4.3, §10.1). Copies nothing and does no I/O.
 */
export class OutboundFlow {
  /** Of the other side: the largest SDU and the largest frame it takes. */
  readonly #mtu: number
  readonly #mps: number
  #credits: number
  readonly #chunks: Uint8Array[] = []
  /** Of the first chunk, already in frames. */
  #offset = 0
  #queuedBytes = 0
  /** Of the SDU that was begun. */
  #sduLeft = 0

  constructor(options: { readonly mtu: number; readonly mps: number; readonly credits: number }) {
    this.#mtu = options.mtu
    this.#mps = options.mps
    this.#credits = options.credits
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  get credits(): number {
    return this.#credits
  }

  /** There is a frame to send, and leave to send it. */
  get sendable(): boolean {
    return this.#queuedBytes > 0 && this.#credits > 0
  }

  /** The bytes must not change until they are in frames, that is until {@link OutboundFlow.queuedBytes} is 0. */
  queue(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#queuedBytes += chunk.length
  }

  /** @returns false when that is no number of credits, or makes more than there may be (§10.1): a violation */
  addCredits(credits: number): boolean {
    if (credits === 0 || this.#credits + credits > MAX_CREDITS) return false
    this.#credits += credits
    return true
  }

  /**
   * The next frame, in parts. To be called only while {@link OutboundFlow.sendable}. An SDU takes all that is queued when it begins, as far
   * as the other side's MTU allows.
   * @param maxFrameBytes what the carrier takes; at least 3
   */
  nextFrame(maxFrameBytes: number): Uint8Array[] {
    const parts: Uint8Array[] = []
    let room = Math.min(this.#mps, maxFrameBytes)
    if (this.#sduLeft === 0) {
      this.#sduLeft = Math.min(this.#queuedBytes, this.#mtu)
      parts.push(Uint8Array.of(this.#sduLeft & 0xff, this.#sduLeft >> 8))
      room -= SDU_LENGTH_BYTES
    }
    let left = Math.min(room, this.#sduLeft)
    this.#sduLeft -= left
    this.#queuedBytes -= left
    this.#credits--
    while (left > 0) {
      const chunk = this.#chunks[0] as Uint8Array
      const end = Math.min(chunk.length, this.#offset + left)
      left -= end - this.#offset
      parts.push(this.#offset === 0 && end === chunk.length ? chunk : chunk.subarray(this.#offset, end))
      this.#offset = end
      if (end === chunk.length) {
        this.#chunks.shift()
        this.#offset = 0
      }
    }
    return parts
  }

  /** Forgets what is queued. */
  clear(): void {
    this.#chunks.length = 0
    this.#queuedBytes = 0
    this.#offset = 0
  }
}
