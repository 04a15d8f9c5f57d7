import type { ReplicationStore } from '@kithmesh/database/replication'
import { completedUpTo, decodeCheckpoint } from './protocol/checkpoint.ts'
import { checkpointId } from './protocol/checkpointer.ts'
import { asBuffer } from './protocol/context.ts'
import type { SessionCollection } from './protocol/context.ts'
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

/** Documents of a collection that are still to be pushed, by sequence and by what the remote is known to have. */
export function pendingDocumentIds(query: PendingQuery): Set<string> {
  const { target, only } = query
  const { collection, documentIds } = target
  const progress = query.live ?? storedProgress(query)
  const remote = collection.remoteId(query.remoteUid)
  const wanted = documentIds === undefined ? undefined : new Set(documentIds)
  const result = new Set<string>()
  let since = completedUpTo(progress.completed())
  for (;;) {
    const page = collection.changesSince(since, PAGE)
    const candidates = page.filter(
      (entry) => progress.isPending(entry.sequence) && (only === undefined || entry.id === only) && wanted?.has(entry.id) !== false
    )
    const ancestors = collection.remoteAncestors(remote, candidates)
    candidates.forEach((entry, i) => {
      if (ancestors[i] === entry.revId || !passes(target, entry.id, entry.revId, entry.deleted)) return
      result.add(entry.id)
    })
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) return result
    since = last.sequence
  }
}

function storedProgress({ store, target, remoteUid, pull }: PendingQuery): PushProgress {
  const { scope, name } = target.collection
  const id = checkpointId({ privateUuid: store.privateUuid, scope, name, remoteUid, push: true, pull, documentIds: target.documentIds })
  return new PushProgress(decodeCheckpoint(store.getLocalCheckpoint(id)).completed)
}

function passes({ pushFilter, collection }: SessionCollection, id: string, revId: string, deleted: boolean): boolean {
  if (pushFilter === undefined) return true
  const revision = collection.revision(id, revId)
  if (revision === undefined) return false
  const text = asBuffer(revision.body).toString()
  return pushFilter({ id, revId, deleted, body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>) })
}
