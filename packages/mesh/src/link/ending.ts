import { type SocketCloseInfo, isKithmeshError } from '@kithmesh/core'
import type { MeshConnection } from '../engine/contracts.ts'
import { replicatorErrors } from '@kithmesh/replicator'
import { meshErrors } from '../errors.ts'

/** How a connection ended that we did not end. */
export interface Ending {
  /** `lost`: it failed, fell silent, or the device went; otherwise as the device said. */
  readonly how: 'lost' | 'unwanted' | 'full' | 'refused'
  /** Undefined when there is nothing wrong. */
  readonly error: Error | undefined
}

/** What the end of a link means, as it is told to the other side by WebSocket close code and reason. */
export const endings = {
  /** Another connection with the same device takes its place. */
  replaced: { code: 1000, reason: 'replaced' },
  duplicate: { code: 1000, reason: 'duplicate link' },
  /** Neither side wants the link. */
  unwanted: { code: 1000, reason: 'link not needed' },
  /** Try another one, and this one later. */
  full: { code: 1013, reason: 'too many links' },
  /** RFC 6455 §7.4.1: policy violation. */
  refused: { code: 1008, reason: 'not trusted' },
  quarantined: { code: 1008, reason: 'quarantined' },
  stopping: { code: 1001, reason: 'stopping' }
} as const

/** @param error What was found wrong with it here. */
export function endingOf({ code, reason, error: cause }: SocketCloseInfo, error: Error | undefined): Ending {
  if (code === endings.full.code)
    return { how: 'full', error: meshErrors.create('ERR_MESH_FULL', 'The device has as many links as it may have') }
  if (code === endings.refused.code)
    return { how: 'refused', error: meshErrors.create('ERR_MESH_REFUSED', `The device ended the link: ${reason}`, { details: { reason } }) }
  if (code === endings.unwanted.code && reason === endings.unwanted.reason) return { how: 'unwanted', error: undefined }
  if (error !== undefined) return { how: 'lost', error }
  const why = `The peer closed the connection (${code}${reason === '' ? '' : ` ${reason}`})`
  return {
    how: 'lost',
    error:
      code === 1000 || code === 1001
        ? undefined
        : replicatorErrors.create('ERR_REPL_CLOSED', why, { ...(cause !== undefined && { cause }), details: { code, reason } })
  }
}

/** Closes a connection that may not stay. */
export function refuse({ blip }: MeshConnection, { code, reason }: (typeof endings)[keyof typeof endings]): void {
  blip.close(code, reason)
}

const refusals = [
  'ERR_MESH_REFUSED',
  'ERR_IDENTITY_UNTRUSTED',
  'ERR_IDENTITY_UNPROVEN',
  'ERR_MESH_SELF',
  'ERR_ACCESS_REFUSED',
  'ERR_MESH_BLOCKED',
  'ERR_MESH_REVOKED',
  'ERR_INBOUND_REJECTED'
]

/** What a plan of links has to know of a dial that came to nothing. */
export function failureOf({ how, error }: Ending): 'suspect' | 'full' | 'refused' {
  if (how === 'full') return 'full'
  return how === 'refused' || refusals.some((code) => isKithmeshError(error, code)) ? 'refused' : 'suspect'
}
