import { asBuffer, asciiOf } from '../bytes.ts'
import { historyPart } from '../remote-list.ts'

/** One revision of a document's history. `parent` is an index into the same list, -1 for a root. */
export interface TreeNode {
  readonly revId: string
  parent: number
  deleted: boolean
  /** Came from a peer as a conflicting branch and was not resolved yet; what distinguishes "remote" from "local". */
  incoming: boolean
  /** This leaf lost; only its id and what it descends from are remembered. */
  closed: boolean
  hasBlobs: boolean
  /** Kept for leaves that are not the winner (the winner's is in the document). */
  body: Uint8Array | undefined
}

const NOTHING = new Uint8Array(0)
const DELETED = 1
const INCOMING = 2
const CLOSED = 4
const BLOBS = 8
const BRANCHED = 2

/** The stored form of a history without branches: the ancestors, newest first, joined by commas; nothing for a first revision. */
export function encodeLinear(ancestors: readonly string[]): Uint8Array {
  return ancestors.length === 0 ? NOTHING : Buffer.from(ancestors.join(','), 'latin1')
}

/** The ancestors in a linear tree, or undefined when the tree has branches. */
export function decodeLinear(stored: Uint8Array): string[] | undefined {
  const tree = historyPart(stored)
  if (tree.length === 0) return []
  if (tree[0] === BRANCHED) return undefined
  return asciiOf(tree).split(',')
}

/**
 * The stored form of a tree with branches: byte 2, 32-bit length of a JSON list of `[revId, parent, flags, body length]`, that list,
 * the bodies one after the other.
 */
export function encodeBranches(nodes: readonly TreeNode[], winner: number): Uint8Array {
  const bodies: Uint8Array[] = []
  const list = nodes.map((node, index) => {
    const body = index === winner ? undefined : node.body
    if (body !== undefined) bodies.push(body)
    const flags = (node.deleted ? DELETED : 0) | (node.incoming ? INCOMING : 0) | (node.closed ? CLOSED : 0) | (node.hasBlobs ? BLOBS : 0)
    return [node.revId, node.parent, flags, body?.length ?? -1]
  })
  const json = Buffer.from(JSON.stringify(list), 'latin1')
  const head = Buffer.alloc(5)
  head[0] = BRANCHED
  head.writeUInt32BE(json.length, 1)
  return Buffer.concat([head, json, ...bodies])
}

/** Reads {@link encodeBranches}. */
export function decodeBranches(stored: Uint8Array): TreeNode[] {
  const bytes = asBuffer(historyPart(stored))
  const end = 5 + bytes.readUInt32BE(1)
  const list = JSON.parse(bytes.toString('latin1', 5, end)) as [string, number, number, number][]
  let offset = end
  return list.map(([revId, parent, flags, length]) => {
    const body = length < 0 ? undefined : bytes.subarray(offset, (offset += length))
    return {
      revId,
      parent,
      deleted: (flags & DELETED) !== 0,
      incoming: (flags & INCOMING) !== 0,
      closed: (flags & CLOSED) !== 0,
      hasBlobs: (flags & BLOBS) !== 0,
      body
    }
  })
}
