import { type Clock, type LimitedSignal, limitedSignal } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'

/** A signal that follows others, or aborts with ERR_BLE_TIMEOUT. @param what begins the message: `Reading from c0ffee000001` */
export function deadline(clock: Clock, ms: number, what: string, ...sources: ReadonlyArray<AbortSignal | undefined>): LimitedSignal {
  return limitedSignal(clock, ms, () => bleErrors.create('ERR_BLE_TIMEOUT', `${what} took longer than ${ms} ms`), ...sources)
}
