import type { KithmeshError } from '@kithmesh/core'
import { compareVersionsForWin } from '@kithmesh/database/replication'
import type { ConflictedDocument, RevisionForPush } from '@kithmesh/database/replication'

/** One of the two rival revisions, as a resolver sees it. */
export interface ConflictingRevision {
  readonly revId: string
  readonly deleted: boolean
  /** Parsed JSON; `{}` for tombstones without content. A fresh copy, free to change. */
  readonly body: Record<string, unknown>
}

export interface Conflict {
  readonly id: string
  readonly collection: { readonly scope: string; readonly name: string }
  readonly local: ConflictingRevision
  readonly remote: ConflictingRevision
}

/** What becomes of a document in conflict. `body` must be a JSON object without top-level keys that start with `_`. */
export type Resolution =
  | { readonly take: 'local' }
  | { readonly take: 'remote' }
  | { readonly take: 'deleted' }
  | { readonly take: 'merged'; readonly body: Record<string, unknown> }

/** Decides a conflict; may be slow. A throw leaves the document in conflict and is reported as a document error. */
export type ConflictResolver = (conflict: Conflict) => Resolution | Promise<Resolution>

/** How a conflict ended, for whoever wants to know. */
export interface CollectionConflictEvent {
  readonly id: string
  readonly collection: { readonly scope: string; readonly name: string }
  readonly local: Pick<ConflictingRevision, 'revId' | 'deleted'>
  readonly remote: Pick<ConflictingRevision, 'revId' | 'deleted'>
  /** Undefined when it was not decided, for the reason in `error`; it stays in conflict then. */
  readonly taken: Resolution['take'] | undefined
  readonly error: KithmeshError | undefined
}

/**
 * Couchbase Lite's rule (cbmobile.md §11), of 4.x for revisions that are versions, of 3.x for those of trees.
 *
 * 4.x: a tombstone wins, else the later time. It gives equal times of two devices to the remote one, which would be another one on either
 * side; here the source decides between them.
 *
 * 3.x: a tombstone wins, else the higher generation, else the greater revision id; but a document
 * made anew on top of its tombstone wins against all that went before. A pure function of the two revisions, so that every peer decides alike.
 */
export function defaultWinner(
  local: Pick<RevisionForPush, 'revId' | 'deleted'> & Partial<Pick<RevisionForPush, 'history'>>,
  remote: Pick<RevisionForPush, 'revId' | 'deleted'> & Partial<Pick<RevisionForPush, 'history'>>
): 'local' | 'remote' {
  return compareVersionsForWin(local, remote) > 0 ? 'local' : 'remote'
}

/** The default as a {@link ConflictResolver}, for composing one's own. */
export const defaultConflictResolver: ConflictResolver = ({ local, remote }) => ({ take: defaultWinner(local, remote) })

/** What a resolver is given for a stored conflict. */
export function conflictOf(collection: { readonly scope: string; readonly name: string }, document: ConflictedDocument): Conflict {
  return {
    id: document.id,
    collection: { scope: collection.scope, name: collection.name },
    local: parsed(document.local),
    remote: parsed(document.remote)
  }
}

function parsed(revision: RevisionForPush): ConflictingRevision {
  const text = Buffer.from(revision.body.buffer, revision.body.byteOffset, revision.body.byteLength).toString()
  return { revId: revision.revId, deleted: revision.deleted, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) }
}
