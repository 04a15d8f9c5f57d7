import type { ReplicationCollection } from '@kithmesh/database/replication'
import type { CollectionName } from './collection-path.ts'
import { asBuffer } from './context.ts'
import type { SessionCollection } from './context.ts'

/** What a push or pull filter sees of a document. */
export interface FilteredDocument {
  readonly id: string
  readonly revId: string
  readonly deleted: boolean
  /** Pull only: access to the document was lost at the peer, and it is about to be purged here. `body` is empty then. */
  readonly accessRemoved: boolean
  /** Parsed JSON; `{}` for tombstones without content. */
  readonly body: Readonly<Record<string, unknown>>
  readonly collection: CollectionName
  /** Whom it goes to or comes from: the `uid` of the endpoint; on an answering side, what {@link ServeReplicationOptions.peerId} says. */
  readonly peerId: string
}

/**
 * Returns false to leave a document out. Must return true or false, and quickly. A throw, or anything else returned, refuses the
 * document and is reported as a document error, ERR_REPL_FILTER; it never stops the replication.
 */
export type DocumentFilter = (document: FilteredDocument) => boolean

/** A revision as the store has it. */
export interface StoredRevision {
  readonly id: string
  readonly revId: string
  readonly deleted: boolean
  /** JSON bytes. */
  readonly body: Uint8Array
}

type FilteredTarget = Pick<SessionCollection, 'pushFilter' | 'pullFilter'> & {
  readonly collection: Pick<ReplicationCollection, 'scope' | 'name'>
}

/** Asks the push filter, if there is one. @throws what the filter throws; TypeError when it does not return a boolean. */
export function passesPushFilter({ pushFilter, collection }: FilteredTarget, peerId: string, revision: StoredRevision): boolean {
  if (pushFilter === undefined) return true
  const { id, revId, deleted } = revision
  const text = asBuffer(revision.body).toString()
  const body = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
  return ask(pushFilter, { id, revId, deleted, accessRemoved: false, body, collection: nameOf(collection), peerId })
}

/** Asks the pull filter, if there is one. @throws as {@link passesPushFilter}. */
export function passesPullFilter(
  { pullFilter, collection }: FilteredTarget,
  peerId: string,
  document: Omit<FilteredDocument, 'collection' | 'peerId'>
): boolean {
  if (pullFilter === undefined) return true
  return ask(pullFilter, { ...document, collection: nameOf(collection), peerId })
}

function ask(filter: DocumentFilter, document: FilteredDocument): boolean {
  const verdict: unknown = filter(document)
  if (typeof verdict !== 'boolean') throw new TypeError('A filter must return true or false')
  return verdict
}

function nameOf({ scope, name }: CollectionName): CollectionName {
  return { scope, name }
}
