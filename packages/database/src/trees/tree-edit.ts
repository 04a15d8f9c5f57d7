import { DocumentFlag } from '../contracts/storage.ts'
import type { StoredDocument } from '../contracts/storage.ts'
import { editConflict } from '../errors.ts'
import type { InsertionContext, LocalRevision, StorableDocument } from '../revision-model.ts'
import { makeRevisionId, nextEra } from './rev-digest.ts'
import { eraOf } from './rev-id.ts'
import { decodeLinear, encodeLinear } from './rev-tree-codec.ts'
import { RevisionTree } from './rev-tree.ts'
import { clipHistory, pruneTree } from './tree-inserter.ts'

/**
 * The next stored state of a document for a change made here, or undefined when exactly this change is there already.
 * @throws ERR_DB_CONFLICT when `parent` is not current.
 */
export function planLocal(
  existing: StoredDocument | undefined,
  revision: LocalRevision,
  context: Pick<InsertionContext, 'remoteAncestors'>
): StorableDocument | undefined {
  const { id, body, canonical, deleted, hasBlobs } = revision
  const flags = (deleted ? DocumentFlag.deleted : 0) | (hasBlobs ? DocumentFlag.hasBlobs : 0)
  if (existing === undefined) {
    if (revision.parent !== undefined && revision.parent !== '') throw editConflict(id, revision.parent, undefined)
    return { id, revId: makeRevisionId('', deleted, canonical), flags, body, tree: new Uint8Array(0) }
  }
  const gone = (existing.flags & DocumentFlag.deleted) !== 0
  const parent = revision.parent === undefined || (revision.parent === '' && gone) ? existing.revId : revision.parent
  const ancestors = decodeLinear(existing.tree)
  if (ancestors !== undefined) {
    const era = parent === existing.revId ? nextEra({ revId: parent, deleted: gone, history: ancestors }, deleted) : eraOf(existing.revId)
    const revId = makeRevisionId(parent, deleted, canonical, era)
    if (existing.revId === revId) return undefined
    if (parent !== existing.revId) throw editConflict(id, parent, existing.revId)
    return { id, revId, flags, body, tree: encodeLinear(clipHistory([existing.revId, ...ancestors], context)) }
  }
  const tree = RevisionTree.fromStored(existing)
  const base = { revId: parent, deleted: tree.get(parent)?.deleted === true, history: tree.ancestors(parent) }
  const revId = makeRevisionId(parent, deleted, canonical, nextEra(base, deleted))
  if (tree.has(revId)) return undefined
  if (!tree.openLeaves().some((leaf) => leaf.revId === parent)) throw editConflict(id, parent, existing.revId)
  tree.insert({ revId, history: [parent], deleted, hasBlobs, body })
  pruneTree(tree, context)
  return { id, ...tree.toStored() }
}
