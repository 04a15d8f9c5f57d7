import { compareTimes, compareVersions, sourceOf, timeOf } from './version.ts'

/**
 * What a revision descends from: for each source the latest version it knows (cbmobile.md §15). A value; the functions here make new ones.
 * Each source is there once, but that of the current version may have an earlier one among the merge versions.
 */
export interface VersionVector {
  /** The current version, then the merge versions, then the previous ones. */
  readonly versions: readonly string[]
  /** How many of them, after the first, are merge versions. */
  readonly merges: number
}

/**
 * Sources remembered per document. A source is a database, so few documents see more; the bound keeps a document that wanders through
 * thousands of databases from growing with each. Forgetting the versions that are oldest by time costs a conflict, and its
 * resolution, when somebody still has one of them as current.
 */
export const MAX_SOURCES = 100

/** `same`: one current version; `newer`: the first knows the second's and not the other way round; neither, or both: `conflict`. */
export type VectorOrder = 'same' | 'newer' | 'older' | 'conflict'

export function currentVersion(vector: VersionVector): string {
  return vector.versions[0] as string
}

/** The latest time known of a source, `''` when there is none. */
function timeIn(vector: VersionVector, source: string): string {
  for (const version of vector.versions) if (version.endsWith(source)) return timeOf(version)
  return ''
}

/** Whether the vector covers a version: it descends from it, or was decided against it. */
export function knows(vector: VersionVector, version: string): boolean {
  return compareTimes(timeIn(vector, sourceOf(version)), timeOf(version)) >= 0
}

/** Whether the vector covers every version of another. */
export function knowsAll(vector: VersionVector, other: VersionVector): boolean {
  return other.versions.every((version) => knows(vector, version))
}

/** Compares as Couchbase Lite does: by what each knows of the other's current version. */
export function compareVectors(a: VersionVector, b: VersionVector): VectorOrder {
  if (currentVersion(a) === currentVersion(b)) return 'same'
  const newer = knows(a, currentVersion(b))
  const older = knows(b, currentVersion(a))
  return newer === older ? 'conflict' : newer ? 'newer' : 'older'
}

/** Whether two vectors have a version in common. */
export function sharesVersion(a: VersionVector, b: VersionVector): boolean {
  return a.versions.some((version) => b.versions.includes(version))
}

/** The vector after an edit: `version` becomes current, what was current or merged becomes previous. */
export function withVersion(vector: VersionVector, version: string): VersionVector {
  const versions = [version]
  const seen = new Set([sourceOf(version)])
  for (const previous of vector.versions) {
    const source = sourceOf(previous)
    if (!seen.has(source)) versions.push(previous)
    seen.add(source)
  }
  return bounded({ versions, merges: 0 })
}

/** Whether `winner` may stay current after it has taken in what `other` knows: no later version of its source is known there. */
export function canAbsorb(winner: VersionVector, other: VersionVector): boolean {
  const current = currentVersion(winner)
  return compareTimes(timeIn(other, sourceOf(current)), timeOf(current)) <= 0
}

/**
 * A trivial merge: the winner's current version stays, of all other sources the latest time of both is known. No version is made. Merge
 * versions stay merge versions when nothing later than them is known (cbmobile.md §11).
 * @param winner one that {@link canAbsorb} the loser.
 */
export function absorb(winner: VersionVector, loser: VersionVector): VersionVector {
  const latest = latestBySource(winner, loser)
  const current = currentVersion(winner)
  const merged = winner.versions.slice(1, winner.merges + 1)
  const stillMerged = merged.every((version) => sourceOf(version) === sourceOf(current) || latest.get(sourceOf(version)) === version)
  const head = stillMerged ? [current, ...merged] : [current]
  for (const version of head) latest.delete(sourceOf(version))
  return bounded({ versions: [...head, ...[...latest.values()].sort(laterFirst)], merges: head.length - 1 })
}

/**
 * A true merge: `version`, made here for the merged content, is current; the current versions of both sides are its merge versions.
 * Undefined when both come from one source: such versions follow each other and cannot be in conflict. When a side knows something
 * later than the other's current version, that cannot be named as merged, and the result is {@link above} both.
 */
export function merge(version: string, a: VersionVector, b: VersionVector): VersionVector | undefined {
  const merged = [currentVersion(a), currentVersion(b)].sort(laterFirst)
  const taken = merged.map(sourceOf)
  if (taken[0] === taken[1]) return undefined
  const { versions } = above(version, a, b)
  if (!canAbsorb(a, b) || !canAbsorb(b, a)) return { versions, merges: 0 }
  return bounded({ versions: [version, ...merged, ...versions.slice(1).filter((other) => !taken.includes(sourceOf(other)))], merges: 2 })
}

/** A new version that descends from both. */
export function above(version: string, a: VersionVector, b: VersionVector): VersionVector {
  const latest = latestBySource(a, b)
  latest.delete(sourceOf(version))
  return bounded({ versions: [version, ...[...latest.values()].sort(laterFirst)], merges: 0 })
}

function latestBySource(a: VersionVector, b: VersionVector): Map<string, string> {
  const latest = new Map<string, string>()
  for (const version of [...a.versions, ...b.versions]) {
    const source = sourceOf(version)
    const known = latest.get(source)
    if (known === undefined || compareVersions(version, known) > 0) latest.set(source, version)
  }
  return latest
}

/** Whether both are merges of the very same versions; with equal contents they are one revision that was made twice. */
export function mergesSameVersions(a: VersionVector, b: VersionVector): boolean {
  if (a.merges === 0 || a.merges !== b.merges) return false
  const [ours, theirs] = [a, b].map(({ versions, merges }) => versions.slice(1, merges + 1).sort(laterFirst)) as [string[], string[]]
  return ours.every((version, index) => version === theirs[index])
}

/** The latest time in the vectors, as hexadecimal digits. */
export function latestTime(...vectors: readonly VersionVector[]): string {
  let latest = ''
  for (const { versions } of vectors) {
    for (const version of versions) {
      const time = timeOf(version)
      if (compareTimes(time, latest) > 0) latest = time
    }
  }
  return latest
}

/** Drops the previous versions that are oldest by time, beyond {@link MAX_SOURCES}; a merge of more than that is taken for none. */
export function bounded(vector: VersionVector): VersionVector {
  const { versions, merges } = vector
  if (versions.length <= MAX_SOURCES) return vector
  if (merges >= MAX_SOURCES) {
    const current = sourceOf(currentVersion(vector))
    return bounded({ versions: versions.filter((version, index) => index === 0 || !version.endsWith(current)), merges: 0 })
  }
  const head = versions.slice(0, merges + 1)
  const previous = versions.slice(merges + 1)
  const kept = new Set([...previous].sort(laterFirst).slice(0, Math.max(0, MAX_SOURCES - head.length)))
  return { versions: [...head, ...previous.filter((version) => kept.has(version))], merges }
}

function laterFirst(a: string, b: string): number {
  return compareVersions(b, a)
}
