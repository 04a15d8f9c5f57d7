import { type Clock, type LimitedSignal, limitedSignal } from '@kithmesh/core/plugin'
import { stunErrors } from '../errors.ts'

/**
 * A signal that aborts with one of the caller's, or with ERR_STUN_TIMEOUT.
 * @param what begins the message: `Allocating at 192.0.2.1:3478`
 */
export function deadline(clock: Clock, ms: number, what: string, ...outer: ReadonlyArray<AbortSignal | undefined>): LimitedSignal {
  const late = (): Error => stunErrors.create('ERR_STUN_TIMEOUT', `${what} did not finish within ${ms} ms`, { details: { ms } })
  return limitedSignal(clock, ms, late, ...outer)
}
