import type { ChangeEntry, ReplicationStore } from '@kithmesh/database/replication'
import { completedUpTo, decodeCheckpoint } from './protocol/checkpoint.ts'
import { checkpointId } from './protocol/checkpointer.ts'
import type { SessionCollection } from './protocol/context.ts'
import { passesPushFilter } from './protocol/document-filter.ts'
import { PushProgress } from './protocol/progress.ts'

export interface PendingQuery {
  readonly store: ReplicationStore
  readonly target: SessionCollection
  /** Of a running session; otherwise the stored checkpoint counts. */
  readonly live: PushProgress | undefined
  readonly remoteUid: string
  readonly pull: boolean
  /** Look only for this document. */
  readonly only: string | undefined
}

const PAGE = 1000

/** Documents of a collection that are still to be pushed, by sequence and by what the remote is known to have; those in conflict are. */
export function pendingDocumentIds(query: PendingQuery): Set<string> {
  const { target, only } = query
  const { collection } = target
  const progress = query.live ?? storedProgress(query)
  const wanted = target.documentIds === undefined ? undefined : new Set(target.documentIds)
  const remote = collection.remoteId(query.remoteUid)
  const result = new Set<string>()
  const add = (entries: readonly ChangeEntry[]): void => {
    const candidates = entries.filter(
      (entry) => wanted?.has(entry.id) !== false && (entry.conflicted || progress.isPending(entry.sequence))
    )
    const ancestors = collection.remoteAncestors(remote, candidates)
    candidates.forEach((entry, i) => {
      if (!entry.conflicted && ancestors[i] === entry.revId) return
      if (passes(target, query.remoteUid, entry.id, entry.revId)) result.add(entry.id)
    })
  }
  if (only !== undefined) {
    const entry = collection.change(only)
    if (entry !== undefined) add([entry])
    return result
  }
  for (const page of pagesOf(
    (after: number | undefined) => collection.changesSince(after ?? completedUpTo(progress.completed()), PAGE),
    'sequence'
  ))
    add(page)
  // A conflict that is still there may be older than all that was pushed since.
  for (const page of pagesOf((after: string | undefined) => collection.conflicts(PAGE, after), 'id'))
    add(page.flatMap(({ id }) => (result.has(id) ? [] : (collection.change(id) ?? []))))
  return result
}

function* pagesOf<Key extends string, T extends Record<Key, unknown>>(
  read: (after: T[Key] | undefined) => readonly T[],
  key: Key
): Generator<readonly T[]> {
  let after: T[Key] | undefined
  for (;;) {
    const page = read(after)
    yield page
    if (page.length < PAGE) return
    after = page.at(-1)![key]
  }
}

function storedProgress({ store, target, remoteUid, pull }: PendingQuery): PushProgress {
  const { scope, name } = target.collection
  const { documentIds, channels } = target
  const id = checkpointId({ privateUuid: store.privateUuid, scope, name, remoteUid, push: true, pull, documentIds, channels })
  return new PushProgress(decodeCheckpoint(store.getLocalCheckpoint(id)).completed)
}

function passes(target: SessionCollection, peerId: string, id: string, revId: string): boolean {
  if (target.pushFilter === undefined) return true
  const revision = target.collection.revision(id, revId)
  try {
    return revision !== undefined && passesPushFilter(target, peerId, revision)
  } catch {
    // It is reported where the document would go; here it counts as refused, as it does there.
    return false
  }
}
