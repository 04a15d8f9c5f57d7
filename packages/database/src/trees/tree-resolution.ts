import type { ConflictResolution, ConflictedDocument, RevisionForPush } from '../contracts/replication.ts'
import type { StoredDocument } from '../contracts/storage.ts'
import { asBuffer } from '../bytes.ts'
import { checkBody } from '../body-check.ts'
import { canonicalBody } from '../canonical-json.ts'
import { databaseErrors } from '../errors.ts'
import { makeRevisionId, nextEra } from './rev-digest.ts'
import { compareRevisions, latestEra } from './rev-id.ts'
import type { TreeNode } from './rev-tree-codec.ts'
import { RevisionTree } from './rev-tree.ts'

const EMPTY_OBJECT = Buffer.from('{}')

/** A revision of a stored document as it is pushed; undefined when only its id is left. */
export function revisionForPush(document: StoredDocument, tree: RevisionTree, revId: string): RevisionForPush | undefined {
  const node = tree.get(revId)
  if (node === undefined || (node.body === undefined && !(node.deleted && tree.isLeaf(revId)))) return undefined
  return {
    id: document.id,
    revId,
    sequence: document.sequence,
    deleted: node.deleted,
    hasBlobs: node.hasBlobs,
    body: bodyOf(node),
    history: tree.ancestors(revId)
  }
}

function bodyOf(node: Readonly<TreeNode>): Uint8Array {
  return node.body === undefined || node.body.length === 0 ? EMPTY_OBJECT : node.body
}

/** The two sides of a document's conflict: our best branch, and the best one a peer brought. Undefined when there is none. */
export function conflictOf(document: StoredDocument): ConflictedDocument | undefined {
  const tree = RevisionTree.fromStored(document)
  const open = tree.openLeaves()
  if (open.length < 2) return undefined
  const local = open.find((leaf) => !tree.isIncoming(leaf.revId)) ?? (open[0] as TreeNode)
  const others = open.filter((leaf) => leaf !== local)
  const remote = others.find((leaf) => tree.isIncoming(leaf.revId)) ?? (others[0] as TreeNode)
  const sides = [revisionForPush(document, tree, local.revId), revisionForPush(document, tree, remote.revId)]
  if (sides[0] === undefined || sides[1] === undefined) return undefined
  return { id: document.id, local: sides[0], remote: sides[1] }
}

/**
 * The tree after a resolution. The side that ranks higher stays; when the outcome is not what it says, the outcome becomes its child.
 * So the outcome never ranks below either side, and two peers that decide the same about the same revisions get the same revision,
 * whichever of the two each had. The other side is closed.
 * @throws ERR_DB_CONFLICT when either is no longer an open leaf.
 */
export function resolveTree(
  document: StoredDocument,
  localRevId: string,
  remoteRevId: string,
  resolution: ConflictResolution
): RevisionTree {
  const tree = RevisionTree.fromStored(document)
  const open = tree.openLeaves()
  const local = open.find((leaf) => leaf.revId === localRevId)
  const remote = open.find((leaf) => leaf.revId === remoteRevId)
  if (local === undefined || remote === undefined || local === remote) {
    throw databaseErrors.create(
      'ERR_DB_CONFLICT',
      `Document ${JSON.stringify(document.id)} changed meanwhile: ${localRevId} and ${remoteRevId} are not both current`
    )
  }
  const [higher, lower] = tree.compare(local, remote) > 0 ? [local, remote] : [remote, local]
  const taken = resolution.take === 'local' ? local : resolution.take === 'remote' ? remote : undefined
  if (taken !== higher) {
    const deleted = resolution.take === 'deleted' || taken?.deleted === true
    const { body, value, hasBlobs } = checkBody(
      resolution.take === 'merged' ? resolution.body : taken === undefined ? EMPTY_OBJECT : bodyOf(taken)
    )
    const canonical = canonicalBody(asBuffer(body).toString(), value)
    if (deleted !== higher.deleted || canonical !== canonicalOf(higher)) {
      const revId = makeRevisionId(higher.revId, deleted, canonical, nextEra(tree.rank(higher), deleted))
      tree.insert({ revId, history: [higher.revId], deleted, hasBlobs, body: deleted && body.length <= 2 ? new Uint8Array(0) : body })
    }
  }
  tree.settle(higher.revId)
  tree.close(lower.revId)
  return tree
}

/** Gives the winner's content a place on top of a lost leaf, from where it outranks the winner; false when there is no such leaf. */
export function graftWinner(tree: RevisionTree, onto: string): boolean {
  const { winner } = tree
  const base = tree.get(onto)
  if (tree.conflicted || base?.closed !== true || winner.body === undefined) return false
  const { deleted, hasBlobs, body } = winner
  const make = (era: number): string => makeRevisionId(onto, deleted, canonicalOf(winner), era)
  const rank = tree.rank(winner)
  let revId = make(nextEra(tree.rank(base), deleted))
  if (compareRevisions({ revId, deleted }, rank) <= 0) revId = make(latestEra(rank) + 1)
  tree.insert({ revId, history: [onto], deleted, hasBlobs, body })
  tree.close(winner.revId)
  return true
}

function canonicalOf(node: Readonly<TreeNode>): string {
  const text = asBuffer(bodyOf(node)).toString()
  return canonicalBody(text, JSON.parse(text))
}
