import { asBuffer } from '../bytes.ts'
import { canonicalBody } from '../canonical-json.ts'
import { generationOf } from '../trees/rev-id.ts'
import { TREE_DEPTH } from '../trees/rev-tree.ts'
import { vectorCovers } from './covers.ts'
import { legacyVersion } from './legacy.ts'
import { isVersion } from './version.ts'
import { absorb, bounded, canAbsorb, mergesSameVersions } from './version-vector.ts'
import type { VersionVector } from './version-vector.ts'
import type { Side } from './vector-document.ts'
import type { FullVector } from './wire-form.ts'

/**
 * How two sides stand to each other. `decided`: each covers the other, because the conflict between them was decided here one way and
 * there the other; Couchbase Lite calls that a conflict too.
 */
export type SideOrder = 'same' | 'newer' | 'older' | 'conflict' | 'decided'

type Past = Pick<FullVector, 'revId' | 'history' | 'merges'>

/** Compares by what each covers of the other's revision; a revision of a tree and the version that stands for it are the same. */
export function compareSides(a: Past, b: Past): SideOrder {
  if (isSame(a.revId, b.revId)) return 'same'
  const newer = vectorCovers(a, b.revId)
  const older = vectorCovers(b, a.revId)
  if (newer) return older ? 'decided' : 'newer'
  return older ? 'older' : 'conflict'
}

export function isSame(a: string, b: string): boolean {
  return a === b || (a.includes('@') !== b.includes('@') && (legacyVersion(a) === b || legacyVersion(b) === a))
}

/** The vector proper; of a revision of a tree, the version that stands for it. Undefined when none can. */
export function vectorOf({ revId, history, merges }: Past): VersionVector | undefined {
  if (!isVersion(revId)) {
    const version = legacyVersion(revId)
    return version === undefined ? undefined : { versions: [version], merges: 0 }
  }
  if (history.length === 0) return { versions: [revId], merges: 0 }
  const versions = history.every((entry) => entry.includes('@')) ? history : history.filter((entry) => entry.includes('@'))
  return { versions: [revId, ...versions], merges }
}

/** The revision ids of trees in a past, newest first; those of a revision that is one itself, with it. */
export function legacyOf({ revId, history }: Past): string[] {
  const legacy = history.filter((entry) => !entry.includes('@'))
  return isVersion(revId) ? legacy : [revId, ...legacy]
}

/** A past from its vector and the revision ids of trees behind it. */
export function pastOf(vector: VersionVector, legacy: readonly string[]): Past {
  const { versions, merges } = bounded(vector)
  return { revId: versions[0] as string, history: [...versions.slice(1), ...legacy.slice(0, TREE_DEPTH)], merges }
}

/**
 * The revision ids of trees behind a revision that takes another's place. That of a descendant stays as its maker wrote it: to Couchbase Lite
 * it has to begin with the same id on both sides.
 */
function inheritedLegacy(winner: Side, loser: Side): string[] {
  const own = legacyOf(winner)
  if (own.length > 0 && isVersion(winner.revId) && (isVersion(loser.revId) || own.includes(loser.revId))) return own
  return joinedLegacy(winner, loser)
}

/** The revision ids of trees behind either side, newest first. */
export function joinedLegacy(a: Past, b: Past): string[] {
  const [ours, theirs] = [legacyOf(a), legacyOf(b)]
  if (ours.length === 0 || theirs.length === 0) return ours.length === 0 ? theirs : ours
  return [...new Set([...ours, ...theirs])].sort((x, y) => generationOf(y) - generationOf(x))
}

/**
 * The winner's revision with all that the loser knew: of two revisions of trees in one line, still a revision of a tree; otherwise a trivial merge,
 * in which a revision of a tree becomes the version that stands for it. Undefined when it cannot stay current, because the loser knows a
 * later version of its source.
 */
export function takeOver(winner: Side, loser: Side): Side | undefined {
  if (!isVersion(winner.revId) && winner.history.includes(loser.revId)) {
    const line = [...winner.history.slice(0, winner.history.indexOf(loser.revId)), loser.revId, ...loser.history]
    return { ...winner, history: line.slice(0, TREE_DEPTH - 1) }
  }
  const vector = vectorOf(winner)
  const other = isVersion(loser.revId) ? vectorOf(loser) : NOTHING_KNOWN
  if (vector === undefined || other === undefined || !canAbsorb(vector, other)) return undefined
  return { ...winner, ...pastOf(absorb(vector, other), inheritedLegacy(winner, loser)) }
}

/** Whether both were made by merging the very same versions, and say the same: one decision made twice. */
export function isSameMerge(a: Side, b: Side): boolean {
  if (a.merges === 0 || b.merges === 0) return false
  const [ours, theirs] = [vectorOf(a), vectorOf(b)]
  return ours !== undefined && theirs !== undefined && mergesSameVersions(ours, theirs) && saySame(a, b)
}

export function saySame(a: Pick<Side, 'deleted' | 'body'>, b: Pick<Side, 'deleted' | 'body'>): boolean {
  return a.deleted === b.deleted && (asBuffer(a.body).equals(b.body) || canonicalOf(a.body) === canonicalOf(b.body))
}

function canonicalOf(body: Uint8Array): string {
  const text = body.length === 0 ? '{}' : asBuffer(body).toString()
  return canonicalBody(text, JSON.parse(text))
}

const NOTHING_KNOWN: VersionVector = Object.freeze({ versions: Object.freeze([]), merges: 0 })
