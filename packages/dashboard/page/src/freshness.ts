// How fresh what the page shows is, and when to try again. No DOM.

export type Freshness =
  | { readonly is: 'live' }
  /** The stream is interrupted for a moment only. */
  | { readonly is: 'reconnecting' }
  | { readonly is: 'stale'; readonly forMs: number }
  /** The program wants its token again. */
  | { readonly is: 'signed-out' }

/** An interruption as short as this is nobody's concern. */
const GRACE_MS = 3000
/** When nothing came for so long, the program is asked whether it is still there. */
export const QUIET_MS = 10_000
const MAX_RETRY_MS = 15_000

/** What to say. `lastHeard` is when something last came; `connected`: the stream is open. */
export function freshnessOf(facts: {
  readonly now: number
  readonly lastHeard: number
  readonly connected: boolean
  readonly signedOut: boolean
}): Freshness {
  if (facts.signedOut) return { is: 'signed-out' }
  const silence = Math.max(0, facts.now - facts.lastHeard)
  if (facts.connected && silence < QUIET_MS * 3) return { is: 'live' }
  return silence < GRACE_MS ? { is: 'reconnecting' } : { is: 'stale', forMs: silence }
}

/** Milliseconds until the next attempt, after so many in a row that failed. */
export function retryDelay(failures: number): number {
  return Math.min(MAX_RETRY_MS, 500 * 2 ** Math.min(failures, 10))
}
