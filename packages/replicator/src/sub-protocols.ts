import { isKithmeshError } from '@kithmesh/core'
import type { KithmeshError } from '@kithmesh/core'
import type { DocumentVersioning } from '@kithmesh/database/replication'
import { replicatorErrors } from './errors.ts'
import { LEGACY_PROTOCOL } from './protocol/legacy-protocol.ts'

/** Carries revision trees. */
const TREES = 'BLIP_3+CBMobile_3'
/** Carries version vectors. */
const VECTORS = 'BLIP_3+CBMobile_4'

/**
 * The sub-protocols with which a database can take part in a replication, best first; the same for the side that offers and the side
 * that accepts (cbmobile.md §1). A database with trees can give its revisions to one with vectors and take none from it.
 * @param modes `pulls`: the database takes part in receiving, as an active side that pulls or a passive side to which peers may push. `legacy`:
 * with peers that know no collections too.
 */
export function compatibleProtocols(
  versioning: DocumentVersioning,
  { pulls, legacy = false }: { readonly pulls: boolean; readonly legacy?: boolean }
): readonly string[] {
  if (versioning === 'version-vectors') return [VECTORS]
  return [...(pulls ? [] : [VECTORS]), TREES, ...(legacy ? [LEGACY_PROTOCOL] : [])]
}

/** The error for two sides whose sub-protocols do not meet, by what `peer` would have spoken. */
export function protocolError(
  versioning: DocumentVersioning,
  what: string,
  peer: readonly string[],
  options: ErrorOptions = {}
): KithmeshError {
  const theirs = peer.includes(VECTORS)
    ? 'version-vectors'
    : peer.includes(TREES) || peer.includes(LEGACY_PROTOCOL)
      ? 'rev-trees'
      : undefined
  return theirs === undefined || theirs === versioning
    ? replicatorErrors.create('ERR_REPL_PROTOCOL', what, options)
    : versioningError(`${what}: its documents have ${NAMES[theirs]}, ours ${NAMES[versioning]}`, versioning, options)
}

/** The error for two databases that name revisions in different ways. */
export function versioningError(message: string, versioning: DocumentVersioning, options: ErrorOptions = {}): KithmeshError {
  return replicatorErrors.create('ERR_REPL_VERSIONING', message, { ...options, details: { versioning } })
}

const NAMES: Readonly<Record<DocumentVersioning, string>> = { 'rev-trees': 'revision trees', 'version-vectors': 'version vectors' }

/** What a server said about its sub-protocols when it refused ours: the one it answered, or those it listed. */
export function protocolsOfRefusal(cause: unknown): readonly string[] | undefined {
  if (isKithmeshError(cause, 'ERR_WS_PROTOCOL')) return split(cause.details['answered'])
  if (!isKithmeshError(cause, 'ERR_WS_HTTP')) return undefined
  const headers = cause.details['headers'] as Readonly<Record<string, unknown>> | undefined
  const listed = headers?.['sec-websocket-protocol']
  return listed === undefined ? undefined : split(listed)
}

function split(header: unknown): string[] {
  return typeof header === 'string' ? header.split(',').map((name) => name.trim()) : []
}
