import { asBuffer, asciiOf } from '../bytes.ts'
import { DocumentFlag } from '../contracts/storage.ts'
import type { StoredDocument } from '../contracts/storage.ts'
import { decodeBranches, encodeLinear } from '../trees/rev-tree-codec.ts'
import { historyPart } from '../remote-list.ts'
import { RevisionTree } from '../trees/rev-tree.ts'
import type { StorableDocument } from '../revision-model.ts'
import type { FullVector, VectorHistory } from './wire-form.ts'

/** One revision with all that is known of its past. Its id is a version, or that of a tree's revision when it was not edited since. */
export interface Side extends FullVector {
  readonly deleted: boolean
  readonly hasBlobs: boolean
  /** Empty for a tombstone without content. */
  readonly body: Uint8Array
}

/** A document of a database with version vectors: the revision that is current here, and those that peers brought against it. */
export interface VectorDocument {
  readonly current: Side
  readonly rivals: readonly Side[]
}

/** The first byte of a stored history with rivals behind it; see `rev-tree-codec.ts` for the others. */
const RIVALS = 4
const BRANCHED = 2

/** What is stored of a past: as in a tree, its entries joined by commas; with merge versions, `;` ends those. */
export function encodeHistory({ history, merges }: VectorHistory): Uint8Array {
  return merges === 0 ? encodeLinear(history) : Buffer.from(historyText({ history, merges }), 'latin1')
}

/** Reads {@link encodeHistory}; undefined when there is more than one side. */
export function decodeHistory(stored: Uint8Array): VectorHistory | undefined {
  const bytes = historyPart(stored)
  if (bytes.length === 0) return NONE
  if (bytes[0] === RIVALS || bytes[0] === BRANCHED) return undefined
  return readHistory(asciiOf(bytes))
}

export function decodeDocument(stored: StoredDocument): VectorDocument {
  const bytes = asBuffer(historyPart(stored.tree))
  if (bytes[0] === BRANCHED) return fromBranches(stored)
  if (bytes[0] !== RIVALS) return { current: sideOf(stored, decodeHistory(stored.tree) ?? NONE), rivals: [] }
  const end = 5 + bytes.readUInt32BE(1)
  const list = JSON.parse(bytes.toString('latin1', 5, end)) as [string, ...[string, string, number, number][]]
  const [own, ...others] = list
  let offset = end
  const rivals = others.map(([revId, history, flags, length]) => {
    const body = bytes.subarray(offset, (offset += length))
    return sideOf({ revId, flags, body }, readHistory(history))
  })
  return { current: sideOf(stored, readHistory(own)), rivals }
}

/**
 * The stored form. With rivals: byte 4, 32-bit length of a JSON list of the current side's history and `[revId, history, flags, body length]`
 * for each rival, that list, their bodies one after the other.
 */
export function encodeDocument(id: string, { current, rivals }: VectorDocument): StorableDocument {
  const { revId, body } = current
  if (rivals.length === 0) return { id, revId, flags: flagsOf(current), body, tree: encodeHistory(current) }
  const list = rivals.map((rival) => [rival.revId, historyText(rival), flagsOf(rival), rival.body.length])
  const json = Buffer.from(JSON.stringify([historyText(current), ...list]), 'latin1')
  const head = Buffer.alloc(5)
  head[0] = RIVALS
  head.writeUInt32BE(json.length, 1)
  const tree = Buffer.concat([head, json, ...rivals.map((rival) => rival.body)])
  return { id, revId, flags: flagsOf(current) | DocumentFlag.conflicted, body, tree }
}

/** A conflict from before the database had vectors. */
function fromBranches(stored: StoredDocument): VectorDocument {
  const tree = RevisionTree.fromStored(stored)
  const leaves = new Set(tree.openLeaves().map((leaf) => leaf.revId))
  const rivals = decodeBranches(stored.tree).filter(({ revId, body }) => leaves.has(revId) && revId !== stored.revId && body !== undefined)
  return {
    current: sideOf(stored, { history: tree.ancestors(stored.revId), merges: 0 }),
    rivals: rivals.map(({ revId, deleted, hasBlobs, body }) => ({
      revId,
      history: tree.ancestors(revId),
      merges: 0,
      deleted,
      hasBlobs,
      body: body as Uint8Array
    }))
  }
}

function sideOf({ revId, flags, body }: Pick<StoredDocument, 'revId' | 'flags' | 'body'>, { history, merges }: VectorHistory): Side {
  return {
    revId,
    history,
    merges,
    deleted: (flags & DocumentFlag.deleted) !== 0,
    hasBlobs: (flags & DocumentFlag.hasBlobs) !== 0,
    body
  }
}

function flagsOf({ deleted, hasBlobs }: Side): number {
  return (deleted ? DocumentFlag.deleted : 0) | (hasBlobs ? DocumentFlag.hasBlobs : 0)
}

function historyText({ history, merges }: VectorHistory): string {
  return merges === 0 ? history.join(',') : `${history.slice(0, merges).join(',')};${history.slice(merges).join(',')}`
}

function readHistory(text: string): VectorHistory {
  if (text === '') return NONE
  const semicolon = text.indexOf(';')
  if (semicolon < 0) return { history: text.split(','), merges: 0 }
  const merged = text.slice(0, semicolon).split(',')
  const rest = text.slice(semicolon + 1)
  return { history: rest === '' ? merged : [...merged, ...rest.split(',')], merges: merged.length }
}

const NONE: VectorHistory = Object.freeze({ history: Object.freeze([]), merges: 0 })
