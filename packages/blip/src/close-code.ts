import { isKithmeshError } from '@kithmesh/core'

/** Close codes of RFC 6455 §7.4.1 that a BLIP connection gives by itself. */
export const NORMAL_CLOSURE = 1000
export const PROTOCOL_ERROR = 1002
export const INTERNAL_ERROR = 1011
/** Couchbase Lite's own, which invites another try (blip.md §12). */
export const TRY_AGAIN_LATER = 4001

/** The longest reason beside a code, in bytes (RFC 6455 §5.5). */
const MAX_REASON_BYTES = 123

/** A close reason of at most 123 bytes of UTF-8, whole characters. */
export function cutReason(reason: string): string {
  if (Buffer.byteLength(reason) <= MAX_REASON_BYTES) return reason
  return Buffer.from(reason)
    .subarray(0, MAX_REASON_BYTES)
    .toString('utf8')
    .replace(/\uFFFD+$/u, '')
}

/** The code for what ended the connection here: a defect of ours, a violation by the other side, or want of room for everybody. */
export function codeFor(error: unknown): number {
  if (!isKithmeshError(error)) return INTERNAL_ERROR
  return error.details['shared'] === true ? TRY_AGAIN_LATER : PROTOCOL_ERROR
}
