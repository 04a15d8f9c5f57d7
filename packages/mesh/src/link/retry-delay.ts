import { errorCode } from '@kithmesh/core'
import { classifyFailure } from '@kithmesh/replicator'

/** Longest pause between two tries of a device that ought to be reachable. */
export const maxRetryMs = 30_000
/** Pause after an answer that will hardly change by itself: not accepted, no such database, no common protocol. */
const refusedRetryMs = 60_000

/** These say nothing about what the device thinks of us: it was not reached, or not properly. */
const unreached =
  /^ERR_(PD|ROUTE|SIGNAL|DIRECT|REVERSE|PUNCH|TURN|CORE|REPL_CONNECT|REPL_CLOSED|REPL_TIMEOUT|IDENTITY_HANDSHAKE|IDENTITY_PEER_MISMATCH|WS_HANDSHAKE|WS_TIMEOUT)/

/**
 * Milliseconds until a device is tried again. What is final to a replicator is not to a mesh, as devices and their settings come and go.
 * @param failures in a row, 1 is the first
 */
export function retryDelay(error: unknown, failures: number): number {
  return mayPass(error) ? Math.min(1000 * 2 ** Math.min(failures, 30), maxRetryMs) : refusedRetryMs
}

/** Whether the next try may well go better. */
function mayPass(error: unknown): boolean {
  return unreached.test(errorCode(error) ?? '') || classifyFailure(error) !== 'permanent'
}
