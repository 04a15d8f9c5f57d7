import type { ByteSocket } from './socket.ts'

/**
 * Tells streams that a peer opened at our request from those it opened of its own accord. Whoever connects because it was asked to writes
 * `connectionPreamble(token)` first, before TLS; the stream then goes to who waits for that token instead of to the listener's owner.
 */
export interface IncomingClaims {
  /** Waits for the stream that begins with this token (16 random bytes, known to the two devices only); the preamble is taken off. */
  expect(token: Uint8Array): ClaimedStream
}

export interface ClaimedStream {
  /** The callee owns the stream. Rejects when cancelled. */
  readonly socket: Promise<{ readonly socket: ByteSocket; readonly remote: string }>
  /** No longer waits; a stream that comes later is destroyed. Idempotent. */
  cancel(reason?: unknown): void
}

/** Whether this device may connect to an address because a peer asked it to. */
export interface DialPolicy {
  /**
   * Undefined when it may, otherwise why not. Counts against the peer's rate when it may.
   * @param fromPeerId who asks
   * @param address an IP literal
   */
  refuse(fromPeerId: string, address: string, port: number): string | undefined
}
