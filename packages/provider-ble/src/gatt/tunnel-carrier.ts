import type { FrameCarrier } from '../l2cap/frame-carrier.ts'
import { LONGEST_VALUE } from './longest-value.ts'
import type { TunnelLine } from './tunnel.ts'

/** The identifier of the channel, little-endian, before the frame's payload. */
const HEADER_BYTES = 2
/** The longest frame of a tunnel. */
export const MAX_TUNNEL_FRAME_BYTES: number = LONGEST_VALUE - HEADER_BYTES

/** Carries L2CAP frames as values of the stream characteristic, one each (ble.md §4). */
export class TunnelCarrier implements FrameCarrier {
  onDrained: (() => void) | undefined
  readonly #line: TunnelLine
  readonly #failed: (error: Error) => void
  readonly #queue: Buffer[] = []
  #full = false
  #closed = false

  /** @param failed told before the line is */
  constructor(line: TunnelLine, failed: (error: Error) => void) {
    this.#line = line
    this.#failed = failed
  }

  get maxFrameBytes(): number {
    return Math.min(this.#line.maxBytes, LONGEST_VALUE) - HEADER_BYTES
  }

  get queuedFrames(): number {
    return this.#queue.length
  }

  send(cid: number, parts: readonly Uint8Array[]): void {
    if (this.#closed) return
    let length = HEADER_BYTES
    for (const part of parts) length += part.length
    const value = Buffer.allocUnsafe(length)
    value.writeUInt16LE(cid, 0)
    let at = HEADER_BYTES
    for (const part of parts) {
      value.set(part, at)
      at += part.length
    }
    if (this.#full) this.#queue.push(value)
    else this.#pass(value)
  }

  /** The line takes values again. */
  ready(): void {
    this.#full = false
    while (!this.#full && !this.#closed) {
      const value = this.#queue.shift()
      if (value === undefined) break
      this.#pass(value)
    }
    if (!this.#closed) this.onDrained?.()
  }

  #pass(value: Buffer): void {
    // Until it has returned; a line may be ready again before that.
    this.#full = true
    if (this.#line.send(value)) this.#full = false
  }

  fail(error: Error): void {
    if (this.#closed) return
    this.close()
    this.#failed(error)
    this.#line.fail(error)
  }

  close(): void {
    this.#closed = true
    this.#queue.length = 0
  }
}

/** What a value says; undefined for one that is too short to be a frame. */
export function decodeTunnelFrame(value: Buffer): { readonly cid: number; readonly payload: Buffer } | undefined {
  return value.length < HEADER_BYTES ? undefined : { cid: value.readUInt16LE(0), payload: value.subarray(HEADER_BYTES) }
}
