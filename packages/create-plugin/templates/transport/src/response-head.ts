/** What a proxy answers before the tunnel begins. */
export interface ResponseHead {
  readonly status: number
  readonly reason: string
  /** Bytes taken by the head; what follows belongs to the tunnel. */
  readonly length: number
}

/** A head that is longer is refused: nobody may use up this machine's memory by never ending it. */
export const MAX_HEAD_BYTES = 8192

/**
 * Reads the head of an HTTP response (RFC 9112 §4) out of what has come so far. Computes, and does nothing else.
 * @returns undefined while more has to come, `invalid` when that would not help
 */
export function readResponseHead(bytes: Buffer): ResponseHead | 'invalid' | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  const head = bytes.toString('latin1', 0, end === -1 ? Math.min(bytes.length, 16) : end)
  const start = 'HTTP/1.'
  if (!head.startsWith(start.slice(0, head.length))) return 'invalid'
  if (end === -1) return bytes.length > MAX_HEAD_BYTES ? 'invalid' : undefined
  const match = /^HTTP\/1\.[01] ([1-5]\d\d)(?: ([^\r\n]*))?(?:\r\n|$)/.exec(head)
  if (match === null || end > MAX_HEAD_BYTES) return 'invalid'
  return { status: Number(match[1]), reason: match[2] ?? '', length: end + 4 }
}
