import type { KithmeshError } from '@kithmesh/core'
import type { Database } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import type { UpgradeDecision } from '@kithmesh/websocket'
import { compatibleProtocols, protocolError } from '../sub-protocols.ts'

/** What peers may do, as far as sub-protocols depend on it. */
export interface OfferedProtocolsOptions {
  /** Peers may push to us. @default true */
  readonly allowPull?: boolean
}

/**
 * The sub-protocols that a passive side accepts for a database; of those the first that the client offers is spoken (cbmobile.md §1).
 *
 * @example
 * createWebSocketAcceptor({ selectProtocol: (offered) => offered.find((name) => acceptedProtocols(database).includes(name)), … })
 */
export function acceptedProtocols(database: Database, { allowPull = true }: OfferedProtocolsOptions = {}): readonly string[] {
  return compatibleProtocols(replicationStore(database).versioning, { pulls: allowPull, legacy: true })
}

/**
 * The sub-protocols that an active side offers for a database, best first: for those who open connections themselves (cbmobile.md §1).
 * @param modes `pull`: documents are to come in too. @default both ways
 */
export function proposedProtocols(database: Database, { pull = true }: { readonly pull?: boolean } = {}): readonly string[] {
  return compatibleProtocols(replicationStore(database).versioning, { pulls: pull })
}

/**
 * Judges what a client offers before it is let in: undefined when there is a common sub-protocol, or when it offers none at all. Otherwise the
 * answer, which lists ours so that the client can tell its user why, and the error for our own side (ERR_REPL_PROTOCOL, ERR_REPL_VERSIONING).
 * @param peer For people.
 */
export function refuseProtocols(
  database: Database,
  offered: readonly string[],
  peer: string,
  options: OfferedProtocolsOptions = {}
): { readonly decision: Extract<UpgradeDecision, { allow: false }>; readonly error: KithmeshError } | undefined {
  const accepted = acceptedProtocols(database, options)
  if (offered.length === 0 || offered.some((protocol) => accepted.includes(protocol))) return undefined
  const [ours, theirs] = [accepted.join(' or '), offered.join(' or ')]
  return {
    decision: {
      allow: false,
      status: 400,
      headers: { 'Sec-WebSocket-Protocol': accepted.join(', ') },
      message: `This database speaks ${ours}, not ${theirs}`
    },
    error: protocolError(replicationStore(database).versioning, `${peer} speaks ${theirs}, not ${ours}`, offered)
  }
}
