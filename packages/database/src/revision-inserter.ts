import { DocumentFlag } from './contracts/storage.ts'
import type { StoredDocument } from './contracts/storage.ts'
import type { IncomingRevision } from './contracts/replication.ts'
import { tombstoneIdFor } from './rev-digest.ts'
import { compareRevisionIds, generationOf } from './rev-id.ts'
import { decodeLinear, encodeLinear } from './rev-tree-codec.ts'
import { RevisionTree, TREE_DEPTH } from './rev-tree.ts'

export type StorableDocument = Omit<StoredDocument, 'sequence'>

/** What to do with a foreign revision. */
export type InsertionPlan =
  | { readonly status: 'known' }
  | { readonly status: 'conflict'; readonly revId: string }
  | { readonly status: 'stored' | 'conflicted'; readonly document: StorableDocument }

/** What the decision may ask about the document; asked only off the common paths. */
export interface InsertionContext {
  /** The revision last known to be current at the remote it comes from. */
  remoteAncestor(): string | undefined
  /** Revisions known to be current at any remote; they are not pruned away. */
  remoteAncestors(): ReadonlySet<string>
}

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
    if (newer < 0 && movedOn(existing.revId, revision, context)) newer = history.length
    if (newer >= 0) {
      const line = [...history.slice(0, newer), existing.revId, ...ancestors]
      return { status: 'stored', document: { id, revId, flags, body, tree: encodeLinear(clipHistory(line, context)) } }
    }
  }
  return planBranch(existing, { ...revision, body }, context)
}

function planBranch(existing: StoredDocument, revision: IncomingRevision, context: InsertionContext): InsertionPlan {
  const { id, revId, deleted, hasBlobs, history, body, deletedBranch } = revision
  const tree = RevisionTree.fromStored(existing)
  if (tree.has(revId)) {
    if (deletedBranch === undefined || deletedBranch !== tombstoneIdFor(existing.revId) || tree.conflicted) return { status: 'known' }
    // Both sides ended the other's branch, each after a conflict of its own: the same one stands everywhere. The peer that lost adopts it.
    if (!outranks(revision, existing)) return { status: 'conflict', revId: existing.revId }
    if (!adoptBranch(tree, existing.revId, revId)) return { status: 'known' }
    pruneTree(tree, context)
    return { status: 'stored', document: { id, ...tree.toStored() } }
  }
  const supersedes = !tree.conflicted && endsOurs(existing, tree, revision)
  const branched = tree.insert({ revId, history, deleted, hasBlobs, body, incoming: true }) === 'branched'
  if (branched && supersedes) {
    endBranch(tree, existing.revId)
    tree.settle(revId)
  } else if (branched && revision.onConflict === 'refuse') {
    return { status: 'conflict', revId: existing.revId }
  }
  pruneTree(tree, context)
  return { status: tree.conflicted ? 'conflicted' : 'stored', document: { id, ...tree.toStored() } }
}

/**
 * Whether a revision that does not descend from ours replaces it without a conflict: when the sender ended our branch, or when ours is a tombstone
 * and a passive peer is given a document that was made anew (cbmobile.md §7, rule 4). Active peers take the latter for a conflict: the
 * resolver decides, and its decision descends from one of the two, so that all others follow it.
 */
function endsOurs(existing: StoredDocument, tree: RevisionTree, { history, onConflict, deletedBranch }: IncomingRevision): boolean {
  if (deletedBranch !== undefined && deletedBranch === tombstoneIdFor(existing.revId)) return true
  return onConflict === 'refuse' && (existing.flags & DocumentFlag.deleted) !== 0 && !history.some((ancestor) => tree.has(ancestor))
}

/**
 * The remote had exactly our revision as its current one and has gone on from it so far that the history it sends no longer reaches back:
 * the revision descends from ours although the list does not say so.
 */
function movedOn(current: string, { revId, history, remote }: IncomingRevision, context: InsertionContext): boolean {
  if (remote === undefined) return false
  const oldest = history[history.length - 1] ?? revId
  return generationOf(oldest) > generationOf(current) && context.remoteAncestor() === current
}

/** Ends the branch at a leaf: with the tombstone every peer would compute for it, or as it is when it is a tombstone already. */
export function endBranch(tree: RevisionTree, leafRevId: string): void {
  let last = leafRevId
  const leaf = tree.get(leafRevId)
  if (leaf?.deleted === false) {
    last = tombstoneIdFor(leafRevId)
    // The tombstone keeps the content, in case the decision is taken back.
    tree.insert({ revId: last, history: [leafRevId], deleted: true, hasBlobs: false, body: leaf.body ?? NOTHING })
  }
  tree.close(last)
}

/** Makes a branch that was ended here current again and ends the current one instead; false when it went on otherwise. */
export function adoptBranch(tree: RevisionTree, current: string, revId: string): boolean {
  if (current === revId || !tree.reopen(revId, tombstoneIdFor(revId))) return false
  endBranch(tree, current)
  return true
}

/** The last revision before the tombstone of the ended branch that `revId` belongs to; undefined when there is no such branch. */
export function endOfBranch(tree: RevisionTree, revId: string): string | undefined {
  const end = tree.leaves().find((leaf) => leaf.closed && (leaf.revId === revId || tree.isAncestor(revId, leaf.revId)))
  if (end === undefined) return undefined
  const before = tree.ancestors(end.revId)[0]
  return before !== undefined && end.revId !== revId && end.revId === tombstoneIdFor(before) ? before : end.revId
}

/** Of two contradicting decisions the one that deletes stands, then the higher generation, then the greater id (cbmobile.md §11). */
function outranks({ deleted, revId }: IncomingRevision, existing: StoredDocument): boolean {
  const existingDeleted = (existing.flags & DocumentFlag.deleted) !== 0
  return deleted === existingDeleted ? compareRevisionIds(revId, existing.revId) > 0 : deleted
}

/** Shortens ancestors (newest first) to the tree's depth, but keeps what a remote is known to have. */
export function clipHistory(ancestors: string[], context: Pick<InsertionContext, 'remoteAncestors'>): string[] {
  const depth = TREE_DEPTH - 1
  if (ancestors.length <= depth) return ancestors
  const keep = context.remoteAncestors()
  let wanted = depth
  for (let index = depth; index < Math.min(ancestors.length, 10 * TREE_DEPTH); index += 1) {
    if (keep.has(ancestors[index] as string)) wanted = index + 1
  }
  return ancestors.slice(0, wanted)
}

export function pruneTree(tree: RevisionTree, context: Pick<InsertionContext, 'remoteAncestors'>): void {
  if (tree.depth() > TREE_DEPTH || tree.leaves().length > 4) tree.prune(TREE_DEPTH, context.remoteAncestors())
}
