import { type Clock, type LimitedSignal, checkRange, limitedSignal } from '@kithmesh/core/plugin'
import { stunErrors } from '../errors.ts'

const HOUR_MS = 3_600_000

/** @throws TypeError for a time that no timer waits for as it is meant */
export function checkTime(name: string, ms: number, least = 1): void {
  checkRange(name, ms, least, HOUR_MS)
}

/**
 * A signal that aborts with one of the caller's, or with ERR_STUN_TIMEOUT.
 * @param what begins the message: `Allocating at 192.0.2.1:3478`
 * @throws TypeError for a time that makes no sense
 */
export function deadline(clock: Clock, ms: number, what: string, ...outer: ReadonlyArray<AbortSignal | undefined>): LimitedSignal {
  checkTime('deadlineMs', ms, 0)
  const late = (): Error => stunErrors.create('ERR_STUN_TIMEOUT', `${what} did not finish within ${ms} ms`, { details: { ms } })
  return limitedSignal(clock, ms, late, ...outer)
}
