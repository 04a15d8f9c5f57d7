import { errorCode, isKithmeshError } from '@kithmesh/core'

/**
 * What a failed connection is worth (cbmobile.md §12):
 * `transient` is tried again by every replicator, `network` by continuous ones, `permanent` ends the replication.
 */
export type FailureKind = 'transient' | 'network' | 'permanent'

const TRANSIENT_CODES: ReadonlySet<string> = new Set([
  'ENETRESET',
  'ECONNABORTED',
  'ECONNRESET',
  'ETIMEDOUT',
  'ECONNREFUSED',
  'EAI_AGAIN',
  'ERR_CORE_TIMEOUT',
  'ERR_WS_TIMEOUT',
  'ERR_DIRECT_TIMEOUT',
  'ERR_REPL_TIMEOUT',
  'ERR_IDENTITY_HANDSHAKE_TIMEOUT',
  'ERR_PD_RESOLVE_BUSY'
])
const NETWORK_CODES: ReadonlySet<string> = new Set([
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTCONN',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'EADDRNOTAVAIL',
  'EPIPE',
  'ENOTFOUND',
  'ENODATA',
  'ENODEV',
  'ERR_DIRECT_INTERFACE',
  'ERR_REPL_AWAY',
  'ERR_PD_PEER_OFFLINE',
  'ERR_PD_RESOLVE_FAILED',
  'ERR_PD_UNKNOWN_DEVICE'
])
const TRANSIENT_HTTP: ReadonlySet<number> = new Set([408, 429, 502, 503, 504])
/** 1000 and 1001: the peer went away in good order and may come back. */
const NETWORK_CLOSE: ReadonlySet<number> = new Set([1000, 1001, 1005])
const TRANSIENT_CLOSE: ReadonlySet<number> = new Set([1006, 1012, 1013, 4001])

/** Judges an error of connecting, or of a session that ended, by the codes in it and its causes. */
export function classifyFailure(error: unknown): FailureKind {
  const seen = new Set<unknown>()
  const pending: unknown[] = [error]
  let network = false
  while (pending.length > 0) {
    const next = pending.shift()
    if (next === undefined || next === null || seen.has(next) || seen.size > 50) continue
    seen.add(next)
    const verdict = classifyOne(next)
    if (verdict === 'transient' || verdict === 'permanent') return verdict
    if (verdict === 'network') network = true
    if (next instanceof Error) pending.push(next.cause)
    if (next instanceof AggregateError) pending.push(...(next.errors as unknown[]))
  }
  return network ? 'network' : 'permanent'
}

function classifyOne(error: unknown): FailureKind | undefined {
  const code = errorCode(error)
  if (code === undefined) return undefined
  if (isKithmeshError(error)) {
    const { status, code: number } = error.details
    if (code === 'ERR_WS_HTTP') return TRANSIENT_HTTP.has(Number(status)) ? 'transient' : 'permanent'
    // The server went away before it answered.
    if (code === 'ERR_WS_HANDSHAKE' && error.cause === undefined) return 'transient'
    if (code === 'ERR_REPL_REMOTE') return TRANSIENT_HTTP.has(Number(number)) ? 'transient' : 'permanent'
    if (code === 'ERR_REPL_CLOSED') {
      if (TRANSIENT_CLOSE.has(Number(number))) return 'transient'
      return NETWORK_CLOSE.has(Number(number)) ? 'network' : 'permanent'
    }
  }
  if (TRANSIENT_CODES.has(code)) return 'transient'
  return NETWORK_CODES.has(code) ? 'network' : undefined
}

export interface RetryLimits {
  readonly continuous: boolean
  /** Tries in all, the first included. */
  readonly maxAttempts: number
  readonly maxAttemptWaitMs: number
}

/** Milliseconds until the next try after the `failures`-th failure in a row (1 is the first), or undefined to give up. */
export function nextAttemptIn(failures: number, kind: FailureKind, limits: RetryLimits): number | undefined {
  if (kind === 'permanent' || (kind === 'network' && !limits.continuous) || failures >= limits.maxAttempts) return undefined
  return Math.min(1000 * 2 ** Math.min(failures, 30), limits.maxAttemptWaitMs)
}
