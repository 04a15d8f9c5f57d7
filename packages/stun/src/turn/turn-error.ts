import type { StunErrorCode } from '../codec/attributes.ts'
import { stunErrors } from '../errors.ts'

type TurnErrorName = Parameters<typeof stunErrors.create>[0]

/** RFC 8656 §19, RFC 6062 §6.3. */
const names: ReadonlyMap<number, TurnErrorName> = new Map<number, TurnErrorName>([
  [401, 'ERR_STUN_CREDENTIALS'],
  [403, 'ERR_TURN_FORBIDDEN'],
  [437, 'ERR_TURN_MISMATCH'],
  [440, 'ERR_TURN_FAMILY'],
  [441, 'ERR_TURN_OTHER_USER'],
  [442, 'ERR_TURN_TRANSPORT'],
  [443, 'ERR_TURN_FAMILY'],
  [446, 'ERR_TURN_CONNECTION_EXISTS'],
  [447, 'ERR_TURN_PEER_UNREACHABLE'],
  [486, 'ERR_TURN_QUOTA'],
  [508, 'ERR_TURN_CAPACITY']
])

/** The typed error for an error response. @param what what was asked for: `relay 127.0.0.1:3478 refused to allocate`. */
export function turnError(error: StunErrorCode | undefined, what: string): Error {
  const code = error?.code
  const name = names.get(code ?? 0) ?? 'ERR_TURN_REFUSED'
  return stunErrors.create(name, `${what}: ${code === undefined ? 'no reason given' : `${code} ${error?.reason ?? ''}`.trimEnd()}`, {
    details: { errorCode: code, reason: error?.reason }
  })
}
