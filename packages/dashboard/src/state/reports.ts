import type { ConnectionReport } from '@kithmesh/core'
import type { DeviceReport } from '../contracts.ts'
import { clipped } from '../problem.ts'

const maxAttempts = 500

/** What was tried to reach a device, for pages. */
export function deviceReport(report: ConnectionReport): DeviceReport {
  const { deviceId, displayName, state, startedAt, elapsedMs, route, attempts } = report
  return {
    deviceId,
    displayName: clipped(displayName, 200),
    state,
    startedAt,
    elapsedMs,
    route: route ?? null,
    attempts: attempts.slice(0, maxAttempts).map((attempt) => ({
      strategy: attempt.strategy,
      provider: attempt.provider,
      peerId: clipped(attempt.peerId, 300),
      address: attempt.address ?? null,
      phase: attempt.phase,
      state: attempt.state,
      startedAt: attempt.startedAt,
      elapsedMs: attempt.elapsedMs,
      code: attempt.code ?? null,
      message: attempt.message === undefined ? null : clipped(attempt.message),
      hint: attempt.hint ?? null
    }))
  }
}
