import { isKithmeshError } from '@kithmesh/core'
import type { KithmeshError } from '@kithmesh/core'
import type { DocumentVersioning } from '@kithmesh/database/replication'
import { replicatorErrors } from './errors.ts'
import { protocolError, protocolsOfRefusal } from './sub-protocols.ts'

/**
 * Names what went wrong while connecting, by the HTTP status where there is one: ERR_REPL_UNAUTHORIZED, ERR_REPL_NOT_FOUND, ERR_REPL_PROTOCOL,
 * ERR_REPL_VERSIONING, ERR_REPL_HTTP, or else ERR_REPL_CONNECT, with what was thrown as its cause.
 * @param where For people.
 * @param versioning The database's.
 */
export function connectError(where: string, cause: unknown, versioning: DocumentVersioning): KithmeshError {
  const status = isKithmeshError(cause, 'ERR_WS_HTTP') ? Number(cause.details['status']) : undefined
  const details = status === undefined ? {} : { details: { status } }
  if (status === 401 || status === 403)
    return replicatorErrors.create('ERR_REPL_UNAUTHORIZED', `${where} refused the credentials (${status})`, { cause, ...details })
  if (status === 404) return replicatorErrors.create('ERR_REPL_NOT_FOUND', `${where} has no such database`, { cause, ...details })
  const spoken = protocolsOfRefusal(cause)
  if (spoken !== undefined)
    return protocolError(versioning, `${where} speaks no version of the protocol that this database can use`, spoken, { cause })
  if (status !== undefined) return replicatorErrors.create('ERR_REPL_HTTP', `${where} answered with HTTP ${status}`, { cause, ...details })
  return replicatorErrors.create(
    'ERR_REPL_CONNECT',
    `Cannot connect to ${where}: ${cause instanceof Error ? cause.message : String(cause)}`,
    { cause }
  )
}
