import { SDU_LENGTH_BYTES } from './outbound-flow.ts'

/**
 * What one side of a channel has received and its reader has not taken: K-frames joined to SDUs, and the credits that bound them to
 * `credits` × `mps` bytes besides the SDU that is being joined (Core Specification, vol. 3, part A, §3.4.3, §10.1). Does no I/O.
 */
export class InboundFlow {
  readonly #mtu: number
  readonly #mps: number
  readonly #window: number
  /** Credits the other side has left. */
  #granted: number
  readonly #ready: Buffer[] = []
  #sdu: Buffer | undefined
  #filled = 0

  /** Our MTU, MPS and initial credits, as the other side was told. */
  constructor(options: { readonly mtu: number; readonly mps: number; readonly credits: number }) {
    this.#mtu = options.mtu
    this.#mps = options.mps
    this.#window = options.credits
    this.#granted = options.credits
  }

  /** Whole SDUs wait to be taken. */
  get pending(): boolean {
    return this.#ready.length > 0
  }

  /** A part of an SDU has arrived, and the rest has not. */
  get partial(): boolean {
    return this.#sdu !== undefined
  }

  /**
   * Takes the payload of one K-frame, which belongs to the callee.
   * @returns the rule that it breaks, after which the channel must be closed (§3.4.3, §10.1)
   */
  receive(frame: Buffer): string | undefined {
    if (this.#granted === 0) return 'a frame without a credit'
    this.#granted--
    if (frame.length > this.#mps) return `a frame of ${frame.length} bytes, more than the MPS of ${this.#mps}`
    if (this.#sdu !== undefined) return this.#continue(this.#sdu, frame)
    if (frame.length < SDU_LENGTH_BYTES) return 'an SDU without its length'
    const length = frame.readUInt16LE(0)
    const received = frame.length - SDU_LENGTH_BYTES
    if (length > this.#mtu) return `an SDU of ${length} bytes, more than the MTU of ${this.#mtu}`
    if (received > length) return 'more bytes than the SDU has'
    if (received === length) {
      // An SDU may be empty; a stream has nothing to make of it.
      if (length > 0) this.#ready.push(frame.subarray(SDU_LENGTH_BYTES))
      return undefined
    }
    this.#sdu = Buffer.allocUnsafe(length)
    frame.copy(this.#sdu, 0, SDU_LENGTH_BYTES)
    this.#filled = received
    return undefined
  }

  #continue(sdu: Buffer, frame: Buffer): string | undefined {
    if (this.#filled + frame.length > sdu.length) return 'more bytes than the SDU has'
    frame.copy(sdu, this.#filled)
    this.#filled += frame.length
    if (this.#filled === sdu.length) {
      this.#ready.push(sdu)
      this.#sdu = undefined
    }
    return undefined
  }

  /** The next whole SDU. */
  take(): Buffer | undefined {
    return this.#ready.shift()
  }

  /**
   * The reader has taken everything and wants more: the frames received up to now are replaced.
   * @returns credits to send; 0 while fewer than half are used up
   */
  replenish(): number {
    const used = this.#window - this.#granted
    if (2 * used < this.#window) return 0
    this.#granted = this.#window
    return used
  }

  /** Forgets what was received. */
  clear(): void {
    this.#ready.length = 0
    this.#sdu = undefined
  }
}
