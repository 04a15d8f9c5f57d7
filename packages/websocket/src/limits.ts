/** Default of the largest message that is accepted. */
export const DEFAULT_MAX_MESSAGE_BYTES = 1024 * 1024

/**
 * What both roles ask of `ws`: no extensions, because Couchbase peers break on them (blip.md §1), a bounded message, and its own
 * five-second limit on a closing handshake the peer began.
 */
export function wsLimits(maxMessageBytes: number): { perMessageDeflate: false; maxPayload: number; closeTimeout: number } {
  return { perMessageDeflate: false, maxPayload: maxMessageBytes, closeTimeout: 5_000 }
}
