import { conflictOf, graftWinner, resolveTree, revisionForPush } from './tree-resolution.ts'
import type { RevisionForPush } from '../contracts/replication.ts'
import { DocumentFlag } from '../contracts/storage.ts'
import type { StoredDocument } from '../contracts/storage.ts'
import { databaseErrors } from '../errors.ts'
import { planLocal } from './tree-edit.ts'
import { tombstoneIdFor } from './rev-digest.ts'
import { eraOf, generationOf, isHistory, isRevisionId } from './rev-id.ts'
import { decodeLinear } from './rev-tree-codec.ts'
import { RevisionTree } from './rev-tree.ts'
import { isLift, planInsertion, pruneTree } from './tree-inserter.ts'
import type { RevisionModel } from '../revision-model.ts'

const EMPTY_OBJECT = Buffer.from('{}')

/** Ancestors named to a peer that offers a revision (cbmobile.md §6). */
const MAX_ANCESTORS = 10

/** Revision trees (cbmobile.md §14). The usual cases, linear histories, never build a tree. */
export const treeModel: RevisionModel = Object.freeze<RevisionModel>({
  versioning: 'rev-trees',
  derivesIds: true,
  transaction: (work) => work,
  check({ id, revId, history }) {
    if (isRevisionId(revId) && isHistory(revId, history)) return
    throw databaseErrors.create(
      'ERR_DB_REVISION_ID',
      `Revision ${JSON.stringify(revId.slice(0, 80))} of ${JSON.stringify(id)} or its history is malformed`
    )
  },
  planLocal(existing, revision, context) {
    if (existing !== undefined) mustBeTree(existing)
    return planLocal(existing, revision, context)
  },
  planInsertion(existing, revision, context) {
    if (existing !== undefined) mustBeTree(existing)
    return planInsertion(existing, revision, context)
  },
  resolve(existing, localRevId, remoteRevId, resolution, context) {
    mustBeTree(existing)
    const tree = resolveTree(existing, localRevId, remoteRevId, resolution)
    pruneTree(tree, context)
    return { id: existing.id, ...tree.toStored() }
  },
  conflictOf,
  rivalBodies(stored) {
    const leaves = RevisionTree.fromStored(stored).openLeaves()
    return leaves.flatMap(({ revId, hasBlobs, body }) =>
      revId !== stored.revId && hasBlobs && body !== undefined && body.length > 0 ? [body] : []
    )
  },
  revision(stored, revId) {
    if (revId === undefined || revId === stored.revId) {
      const history = decodeLinear(stored.tree)
      if (history !== undefined) return plainRevision(stored, history)
    }
    return revisionForPush(stored, RevisionTree.fromStored(stored), revId ?? stored.revId)
  },
  missing(stored, revId) {
    const ancestors = decodeLinear(stored.tree)
    if (ancestors !== undefined) return ancestors.includes(revId) ? 'known' : olderThan(revId, [stored.revId, ...ancestors])
    const tree = RevisionTree.fromStored(stored)
    if (tree.knows(revId)) return 'known'
    const all = new Set(tree.leaves().flatMap((leaf) => [leaf.revId, ...tree.ancestors(leaf.revId)]))
    return olderThan(
      revId,
      [...all].sort((a, b) => generationOf(b) - generationOf(a))
    )
  },
  checkProposal(current, revId, parentRevId, read) {
    if (current.revId === revId) return 304
    if (current.revId === parentRevId) return 0
    if (parentRevId === '' && (current.flags & DocumentFlag.deleted) !== 0) return 0
    if (parentRevId !== '' && isLiftOf(read(), parentRevId)) return 0
    return { status: 409, rev: current.revId }
  },
  closingTombstone(stored, revId) {
    if (decodeLinear(stored.tree) !== undefined) return undefined
    const tree = RevisionTree.fromStored(stored)
    const superseded = tree.has(revId) && !tree.openLeaves().some((leaf) => leaf.revId === revId || tree.isAncestor(revId, leaf.revId))
    return superseded ? tombstoneIdFor(revId) : undefined
  },
  graft(stored, onto) {
    if (decodeLinear(stored.tree) !== undefined) return undefined
    const tree = RevisionTree.fromStored(stored)
    return graftWinner(tree, onto) ? { id: stored.id, ...tree.toStored() } : undefined
  }
})

/** The current revision of a document whose history has no branches. */
export function plainRevision(stored: StoredDocument, history: readonly string[]): RevisionForPush {
  const { id, revId, sequence, flags, body } = stored
  return {
    id,
    revId,
    sequence,
    deleted: (flags & DocumentFlag.deleted) !== 0,
    body: body.length === 0 ? EMPTY_OBJECT : body,
    history,
    hasBlobs: (flags & DocumentFlag.hasBlobs) !== 0
  }
}

/** Of revisions that are here, those a revision may descend from, newest first. */
export function olderThan(revId: string, candidates: readonly string[]): string[] {
  const generation = generationOf(revId)
  return candidates.filter((candidate) => generationOf(candidate) < generation).slice(0, MAX_ANCESTORS)
}

/** Whether the current revision only lifts the given one, so that what descends from that may replace it. */
function isLiftOf(stored: StoredDocument | undefined, parent: string): boolean {
  if (stored === undefined || eraOf(stored.revId) === 0) return false
  const ancestors = decodeLinear(stored.tree) ?? RevisionTree.fromStored(stored).ancestors(stored.revId)
  return ancestors[0] === parent && isLift(stored.revId, parent, (stored.flags & DocumentFlag.deleted) !== 0, stored.body)
}

/** Only another process can have brought a version here since this one opened the database. */
function mustBeTree({ id, revId }: StoredDocument): void {
  if (!revId.includes('@')) return
  throw databaseErrors.create(
    'ERR_DB_VERSIONING',
    `Document ${JSON.stringify(id)} has the version ${revId}: another process has upgraded the database to version vectors`
  )
}
