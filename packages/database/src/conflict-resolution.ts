import type { ConflictResolution, ConflictedDocument, RevisionForPush } from './contracts/replication.ts'
import type { StoredDocument } from './contracts/storage.ts'
import { checkBody } from './body-check.ts'
import { canonicalBody } from './canonical-json.ts'
import { databaseErrors } from './errors.ts'
import { makeRevisionId } from './rev-digest.ts'
import { endBranch } from './revision-inserter.ts'
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
  return node.body === undefined || node.body.length === 0 || node.closed ? EMPTY_OBJECT : node.body
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
 * The tree after a resolution, as cbmobile.md §11 recommends for trees: a local, merged or deleted outcome is a new child of the remote
 * revision, so that the peer sees a plain next revision; the local branch is ended and only remembered by its ids.
 * The new id follows the digest rule: two peers that decide the same get the same revision.
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
  tree.settle(remoteRevId)
  if (resolution.take !== 'remote') {
    const deleted = resolution.take === 'deleted' || (resolution.take === 'local' && local.deleted)
    const bytes = resolution.take === 'merged' ? resolution.body : resolution.take === 'local' ? bodyOf(local) : EMPTY_OBJECT
    const { body, value, hasBlobs } = checkBody(bytes)
    const revId = makeRevisionId(remoteRevId, deleted, canonicalBody(Buffer.from(body).toString(), value))
    tree.insert({ revId, history: [remoteRevId], deleted, hasBlobs, body: deleted && body.length <= 2 ? new Uint8Array(0) : body })
  }
  endBranch(tree, localRevId)
  return tree
}
