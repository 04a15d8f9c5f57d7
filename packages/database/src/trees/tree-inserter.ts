import { DocumentFlag } from '../contracts/storage.ts'
import type { StoredDocument } from '../contracts/storage.ts'
import type { IncomingRevision } from '../contracts/replication.ts'
import type { InsertionContext, InsertionPlan } from '../revision-model.ts'
import { asBuffer } from '../bytes.ts'
import { canonicalBody } from '../canonical-json.ts'
import { makeLiftId, tombstoneIdFor } from './rev-digest.ts'
import { compareRevisions, eraOf, generationOf, latestEra } from './rev-id.ts'
import type { Ranked } from './rev-id.ts'
import type { TreeNode } from './rev-tree-codec.ts'
import { decodeLinear, encodeLinear } from './rev-tree-codec.ts'
import { CLOSED_BRANCHES, MAX_RUN, RevisionTree, TREE_DEPTH } from './rev-tree.ts'

const NOTHING = new Uint8Array(0)

/**
 * Decides what a foreign revision does to a document (cbmobile.md §7, §11). Pure; the usual cases, a new document and the next
 * revision of a linear history, never build a tree.
 */
export function planInsertion(existing: StoredDocument | undefined, revision: IncomingRevision, context: InsertionContext): InsertionPlan {
  const { id, revId, deleted, hasBlobs, history } = revision
  const body = deleted && revision.body.length <= 2 ? NOTHING : revision.body
  const flags = (deleted ? DocumentFlag.deleted : 0) | (hasBlobs ? DocumentFlag.hasBlobs : 0)
  if (existing === undefined) {
    return { status: 'stored', document: { id, revId, flags, body, tree: encodeLinear(history.slice(0, TREE_DEPTH - 1)) } }
  }
  if (existing.revId === revId) return { status: 'known' }
  const ancestors = decodeLinear(existing.tree)
  if (ancestors !== undefined) {
    if (ancestors.includes(revId)) return { status: 'known' }
    let newer = history.indexOf(existing.revId)
    if (newer < 0 && movedOn(rankOf(existing, ancestors), revision, context)) newer = history.length
    if (newer >= 0 && !staysBehind(revision, existing, ancestors)) {
      const line = [...history.slice(0, newer), existing.revId, ...ancestors]
      return { status: 'stored', document: { id, revId, flags, body, tree: encodeLinear(clipHistory(line, context)) } }
    }
  }
  return planBranch(existing, { ...revision, body }, context)
}

function planBranch(existing: StoredDocument, revision: IncomingRevision, context: InsertionContext): InsertionPlan {
  const { id, revId, deleted, hasBlobs, history, body } = revision
  const tree = RevisionTree.fromStored(existing)
  if (tree.knows(revId)) return { status: 'known' }
  const replaced = planReplacedLift(tree, revision, context)
  if (replaced !== undefined) return replaced
  const supersedes = !tree.conflicted && endsOurs(existing, tree, revision)
  const node = { revId, history, deleted, hasBlobs, body, incoming: true }
  const continued = tree.openLeaves().find((leaf) => history.includes(leaf.revId))
  let overruled = continued === undefined ? undefined : tree.rank(continued)
  let branched = true
  if (tree.has(revId)) tree.reopen(node)
  else branched = tree.insert(node) === 'branched'
  if (branched && supersedes) {
    overruled = tree.rank(tree.get(existing.revId) as TreeNode)
    tree.close(existing.revId)
    tree.settle(revId)
  } else if (branched && revision.onConflict === 'refuse') {
    return { status: 'conflict', revId: existing.revId }
  }
  const successor = overruled === undefined ? undefined : liftAbove(tree, overruled, revision)
  pruneTree(tree, context)
  const document = { id, ...tree.toStored() }
  return { status: tree.conflicted ? 'conflicted' : 'stored', document, ...(successor !== undefined && { successor }) }
}

/**
 * What replaces a revision ranks above it, so that it stands wherever the two meet again. Revisions made by this package do by themselves;
 * a foreign peer's document made anew on its tombstone, or its decision against the common order, gets a child of a later era.
 */
function liftAbove(
  tree: RevisionTree,
  overruled: Ranked,
  { revId, deleted, hasBlobs, body }: Pick<IncomingRevision, 'revId' | 'deleted' | 'hasBlobs' | 'body'>
): string | undefined {
  const rank = tree.rank({ revId, deleted })
  if (compareRevisions(rank, overruled) > 0) return undefined
  const successor = makeLiftId(revId, deleted, canonicalOf(body), Math.max(latestEra(rank), latestEra(overruled)) + 1)
  tree.insert({ revId: successor, history: [revId], deleted, hasBlobs, body })
  return successor
}

/** Whether a revision that descends from ours needs what {@link liftAbove} does. */
function staysBehind(revision: IncomingRevision, existing: StoredDocument, ancestors: readonly string[]): boolean {
  if (revision.deleted || (existing.flags & DocumentFlag.deleted) === 0) return false
  return latestEra(revision) <= latestEra(rankOf(existing, ancestors))
}

function rankOf({ revId, flags }: StoredDocument, history: readonly string[]): Ranked {
  return { revId, deleted: (flags & DocumentFlag.deleted) !== 0, history }
}

/** Whether a revision is what {@link liftAbove} makes of its parent. */
export function isLift(revId: string, parent: string, deleted: boolean, body: Uint8Array): boolean {
  const era = eraOf(revId)
  return era > 0 && revId === makeLiftId(parent, deleted, canonicalOf(body), era)
}

/**
 * An incoming lift of something whose edit stands here: the edit replaces it, as it would have in the other order, and is lifted above it.
 * Undefined when it is nothing of the kind.
 */
function planReplacedLift(tree: RevisionTree, revision: IncomingRevision, context: InsertionContext): InsertionPlan | undefined {
  const { id, revId, history, deleted, hasBlobs, body } = revision
  const parent = history[0]
  const { winner } = tree
  if (parent === undefined || eraOf(revId) === 0 || !tree.isAncestor(parent, winner.revId)) return undefined
  if (!isLift(revId, parent, deleted, body)) return undefined
  const overruled = { revId, deleted, history }
  const outranked = compareRevisions(tree.rank(winner), overruled) > 0
  if (!outranked && tree.ancestors(winner.revId)[0] === parent && isLift(winner.revId, parent, winner.deleted, winner.body ?? NOTHING))
    return undefined
  tree.insert({ revId, history, deleted, hasBlobs, body, incoming: true })
  tree.close(revId)
  const successor = liftAbove(tree, overruled, { ...winner, body: winner.body ?? NOTHING }) ?? winner.revId
  pruneTree(tree, context)
  return { status: tree.conflicted ? 'conflicted' : 'stored', document: { id, ...tree.toStored() }, successor }
}

function canonicalOf(body: Uint8Array): string {
  const text = body.length === 0 ? '{}' : asBuffer(body).toString()
  return canonicalBody(text, JSON.parse(text))
}

/**
 * Whether a revision that does not descend from ours replaces it without a conflict: when the sender ended our branch, when ours is a lift of
 * a revision that it descends from, or when ours is a tombstone and a passive peer is given a document that was made anew (cbmobile.md §7, rule 4).
 */
function endsOurs(existing: StoredDocument, tree: RevisionTree, { history, onConflict, deletedBranch }: IncomingRevision): boolean {
  if (deletedBranch !== undefined && deletedBranch === tombstoneIdFor(existing.revId)) return true
  const parent = tree.ancestors(existing.revId)[0]
  const deleted = (existing.flags & DocumentFlag.deleted) !== 0
  if (parent !== undefined && history.includes(parent) && isLift(existing.revId, parent, deleted, existing.body)) return true
  return onConflict === 'refuse' && deleted && !history.some((ancestor) => tree.has(ancestor))
}

/**
 * The remote had exactly our revision as its current one and has gone on from it so far that the history it sends no longer reaches back:
 * the revision descends from ours although the list does not say so. One that was on its way when the remote took ours looks the same,
 * but is believed only when it ranks above ours, and then it wins anyhow.
 */
function movedOn(current: Ranked, { revId, deleted, history, remote }: IncomingRevision, context: InsertionContext): boolean {
  if (remote === undefined) return false
  const oldest = history[history.length - 1] ?? revId
  return (
    generationOf(oldest) > generationOf(current.revId) &&
    context.remoteAncestor() === current.revId &&
    compareRevisions({ revId, deleted, history }, current) > 0
  )
}

/**
 * Shortens ancestors (newest first) to the tree's depth, but keeps what a remote is known to have: without it, an edit could no longer be shown to
 * descend from the remote's revision. What lies between stays too, as long as that is not too much.
 */
export function clipHistory(ancestors: string[], context: Pick<InsertionContext, 'remoteAncestors'>): string[] {
  const depth = TREE_DEPTH - 1
  if (ancestors.length <= depth) return ancestors
  const keep = context.remoteAncestors()
  let wanted = depth
  for (let index = depth; index < Math.min(ancestors.length, MAX_RUN); index += 1) {
    if (keep.has(ancestors[index] as string)) wanted = index + 1
  }
  return ancestors.filter((ancestor, index) => index < wanted || keep.has(ancestor))
}

export function pruneTree(tree: RevisionTree, context: Pick<InsertionContext, 'remoteAncestors'>): void {
  if (tree.depth() > TREE_DEPTH || tree.leaves().length > CLOSED_BRANCHES) tree.prune(TREE_DEPTH, context.remoteAncestors())
}
