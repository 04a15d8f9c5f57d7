import { DocumentFlag } from '../contracts/storage.ts'
import { compareRevisions, generationOf } from './rev-id.ts'
import type { Ranked } from './rev-id.ts'
import { decodeBranches, decodeLinear, encodeBranches, encodeLinear } from './rev-tree-codec.ts'
import type { TreeNode } from './rev-tree-codec.ts'

/** Revisions kept per branch, the leaf included (cbmobile.md §14). */
export const TREE_DEPTH = 20

/** Revisions kept per branch at most for the sake of an older one that must stay. */
export const MAX_RUN = 10 * TREE_DEPTH

/** Lost branches remembered per document, so that a peer that still has one can be told without asking it for the content. */
export const CLOSED_BRANCHES = 8

export interface StoredTree {
  readonly revId: string
  readonly flags: number
  readonly body: Uint8Array
  readonly tree: Uint8Array
}

export interface NewRevision {
  readonly revId: string
  /** Newest first, without `revId`; may stop early. */
  readonly history: readonly string[]
  readonly deleted: boolean
  readonly hasBlobs: boolean
  readonly body: Uint8Array
  /** Mark it as the remote side of a conflict if it turns out to branch. */
  readonly incoming?: boolean
}

/**
 * The revisions of one document (tree mode). A pure value in memory: made from what is stored, changed, stored again.
 * A document is in conflict while more than one branch is open; the winner is always chosen by the same rule, so every peer
 * that has the same revisions has the same winner.
 */
export class RevisionTree {
  readonly #nodes: TreeNode[]
  readonly #index = new Map<string, number>()

  private constructor(nodes: TreeNode[]) {
    this.#nodes = nodes
    nodes.forEach((node, index) => {
      this.#index.set(node.revId, index)
    })
  }

  static empty(): RevisionTree {
    return new RevisionTree([])
  }

  static fromStored({ revId, flags, body, tree }: StoredTree): RevisionTree {
    const ancestors = decodeLinear(tree)
    if (ancestors === undefined) {
      const result = new RevisionTree(decodeBranches(tree))
      const winner = result.#nodes[result.#index.get(revId) ?? -1]
      if (winner !== undefined) winner.body = body
      return result
    }
    const nodes = ancestors.map((ancestor, index) => ancestorNode(ancestor, index + 2 > ancestors.length ? -1 : index + 2))
    nodes.unshift({
      revId,
      parent: ancestors.length === 0 ? -1 : 1,
      deleted: (flags & DocumentFlag.deleted) !== 0,
      incoming: false,
      closed: false,
      hasBlobs: (flags & DocumentFlag.hasBlobs) !== 0,
      body
    })
    return new RevisionTree(nodes)
  }

  has(revId: string): boolean {
    return this.#index.has(revId)
  }

  /**
   * Whether there is nothing to learn from this revision: it is current, an ancestor, or lost. A lost one that outranks what is
   * current now, because a foreign peer's revision ranks below its parent, does not count as known.
   */
  knows(revId: string): boolean {
    const node = this.get(revId)
    return node !== undefined && !(node.closed && this.compare(node, this.winner) > 0)
  }

  get(revId: string): Readonly<TreeNode> | undefined {
    const index = this.#index.get(revId)
    return index === undefined ? undefined : this.#nodes[index]
  }

  /** Best first. */
  leaves(): Readonly<TreeNode>[] {
    const parents = new Set(this.#nodes.map((node) => node.parent))
    return this.#nodes.filter((_node, index) => !parents.has(index)).sort((a, b) => this.compare(b, a))
  }

  /** With its ancestors, as it is ranked. */
  rank({ revId, deleted }: Readonly<Pick<TreeNode, 'revId' | 'deleted'>>): Ranked {
    return { revId, deleted, history: this.ancestors(revId) }
  }

  /** By the order of revisions; positive: `a` wins. */
  compare(a: Readonly<TreeNode>, b: Readonly<TreeNode>): number {
    return compareRevisions(this.rank(a), this.rank(b))
  }

  openLeaves(): Readonly<TreeNode>[] {
    return this.leaves().filter((leaf) => !leaf.closed)
  }

  get winner(): Readonly<TreeNode> {
    const leaves = this.leaves()
    return leaves.find((leaf) => !leaf.closed) ?? (leaves[0] as TreeNode)
  }

  get conflicted(): boolean {
    return this.openLeaves().length > 1
  }

  isLeaf(revId: string): boolean {
    return this.leaves().some((leaf) => leaf.revId === revId)
  }

  /** Newest first, without `revId` itself. */
  ancestors(revId: string): string[] {
    const found: string[] = []
    for (let node = this.#parentOf(this.get(revId)); node !== undefined; node = this.#parentOf(node)) found.push(node.revId)
    return found
  }

  isAncestor(ancestor: string, descendant: string): boolean {
    return this.ancestors(descendant).includes(ancestor)
  }

  /** Whether the branch that ends in `revId` was brought by a peer as a conflict. */
  isIncoming(revId: string): boolean {
    for (let node: TreeNode | undefined = this.get(revId); node !== undefined; node = this.#parentOf(node)) {
      if (node.incoming) return true
    }
    return false
  }

  /** Adds a revision and whatever of its history is new. `branched`: it does not continue an open leaf. */
  insert(revision: NewRevision): 'known' | 'stored' | 'branched' {
    const known = this.#index.has(revision.revId)
    const chain = [revision.revId, ...revision.history]
    const firstKnown = chain.findIndex((revId) => this.#index.has(revId))
    const joined = firstKnown > 0 ? (chain[firstKnown] as string) : undefined
    const joins = joined !== undefined && this.isLeaf(joined) && this.get(joined)?.closed === false
    const wasEmpty = this.#nodes.length === 0
    let child = -1
    for (const revId of chain) {
      let index = this.#index.get(revId)
      const existed = index !== undefined
      if (index === undefined) {
        index =
          this.#nodes.push(
            revId === revision.revId
              ? {
                  revId,
                  parent: -1,
                  deleted: revision.deleted,
                  incoming: false,
                  closed: false,
                  hasBlobs: revision.hasBlobs,
                  body: revision.body
                }
              : ancestorNode(revId, -1)
          ) - 1
        this.#index.set(revId, index)
      }
      if (child >= 0) {
        const node = this.#nodes[child] as TreeNode
        if (node.parent < 0) node.parent = index
      }
      if (existed && (this.#nodes[index] as TreeNode).parent >= 0) break
      child = index
    }
    this.#dropInnerBodies()
    if (known) return 'known'
    if (joins || wasEmpty) return 'stored'
    if (revision.incoming === true) (this.get(revision.revId) as TreeNode).incoming = true
    return 'branched'
  }

  /** The branch that ends in this leaf lost: it stays known, but no longer counts. */
  close(leafRevId: string): void {
    const leaf = this.get(leafRevId) as TreeNode | undefined
    if (leaf === undefined) return
    leaf.closed = true
    leaf.body = undefined
  }

  /** A leaf that had lost is open again, with its content. */
  reopen(revision: NewRevision): void {
    const leaf = this.get(revision.revId) as TreeNode
    leaf.closed = false
    leaf.body = revision.body
    leaf.incoming = revision.incoming === true
  }

  /** The branch that ends here is ours from now on. */
  settle(leafRevId: string): void {
    for (let node = this.get(leafRevId) as TreeNode | undefined; node !== undefined; node = this.#parentOf(node)) node.incoming = false
  }

  /**
   * Removes everything below the deepest `depth` revisions of each branch, but nothing of `keep`, and the oldest closed branches. What lies above one
   * to keep stays too, unless that is more than `MAX_RUN`; then only it itself does.
   */
  prune(depth = TREE_DEPTH, keep: ReadonlySet<string> = new Set()): void {
    const kept = new Set<number>()
    const bridges = new Map<number, number>()
    const closed = this.leaves().filter((leaf) => leaf.closed)
    const forgotten = new Set(closed.sort((a, b) => generationOf(b.revId) - generationOf(a.revId)).slice(CLOSED_BRANCHES))
    for (const leaf of this.leaves()) {
      if (forgotten.has(leaf)) continue
      const path: number[] = []
      for (let index = this.#index.get(leaf.revId) ?? -1; index >= 0; index = (this.#nodes[index] as TreeNode).parent) path.push(index)
      const isToKeep = (index: number): boolean => keep.has((this.#nodes[index] as TreeNode).revId)
      const wanted = Math.max(depth, path.slice(0, MAX_RUN).findLastIndex(isToKeep) + 1)
      const stay = path.filter((index, position) => position < wanted || isToKeep(index))
      stay.forEach((index, position) => {
        kept.add(index)
        const older = stay[position + 1]
        if (older !== undefined) bridges.set(index, older)
      })
    }
    if (kept.size < this.#nodes.length) this.#retain(kept, bridges)
  }

  /** The depth of the deepest branch, in revisions. */
  depth(): number {
    return Math.max(...this.leaves().map((leaf) => this.ancestors(leaf.revId).length + 1))
  }

  toStored(): StoredTree {
    const winner = this.winner
    const leaves = this.leaves()
    const conflicted = leaves.filter((leaf) => !leaf.closed).length > 1
    const flags =
      (winner.deleted ? DocumentFlag.deleted : 0) |
      (conflicted ? DocumentFlag.conflicted : 0) |
      (winner.hasBlobs ? DocumentFlag.hasBlobs : 0)
    const tree =
      leaves.length === 1 ? encodeLinear(this.ancestors(winner.revId)) : encodeBranches(this.#nodes, this.#index.get(winner.revId) ?? -1)
    return { revId: winner.revId, flags, body: winner.body ?? new Uint8Array(0), tree }
  }

  #parentOf(node: Readonly<TreeNode> | undefined): TreeNode | undefined {
    return node === undefined || node.parent < 0 ? undefined : this.#nodes[node.parent]
  }

  #dropInnerBodies(): void {
    for (const node of this.#nodes) {
      const parent = this.#parentOf(node)
      if (parent !== undefined) {
        parent.body = undefined
        parent.closed = false
      }
    }
  }

  /** `bridges`: what to name as the parent of a node whose own goes. */
  #retain(kept: ReadonlySet<number>, bridges: ReadonlyMap<number, number>): void {
    const renumbered = new Map<number, number>()
    const nodes = this.#nodes.filter((node, index) => {
      if (!kept.has(index)) return false
      renumbered.set(index, renumbered.size)
      if (!kept.has(node.parent)) node.parent = bridges.get(index) ?? -1
      return true
    })
    for (const node of nodes) node.parent = renumbered.get(node.parent) ?? -1
    this.#nodes.length = 0
    this.#index.clear()
    nodes.forEach((node, index) => {
      this.#nodes.push(node)
      this.#index.set(node.revId, index)
    })
  }
}

function ancestorNode(revId: string, parent: number): TreeNode {
  return { revId, parent, deleted: false, incoming: false, closed: false, hasBlobs: false, body: undefined }
}
