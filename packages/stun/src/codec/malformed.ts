import type { KithmeshError } from '@kithmesh/core'
import { stunErrors } from '../errors.ts'

/** The one error that parsers of this package throw. */
export function malformed(reason: string): KithmeshError<'ERR_STUN_MALFORMED'> {
  return stunErrors.create('ERR_STUN_MALFORMED', `This is no valid STUN: ${reason}`, {
    details: { reason }
  }) as KithmeshError<'ERR_STUN_MALFORMED'>
}
