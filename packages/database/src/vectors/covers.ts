import { LEGACY_SOURCE, legacyVersion } from './legacy.ts'
import { isVersion } from './version.ts'
import { knows } from './version-vector.ts'
import type { FullVector } from './wire-form.ts'

/**
 * Whether a revision covers another one: it is that one, descends from it, or was decided against it. What a pusher asks when a peer refuses
 * a proposal with the revision it has: a covered one may be named as the parent of the next proposal.
 * @param revId a version, or a revision id of a tree.
 */
export function vectorCovers(revision: Pick<FullVector, 'revId' | 'history'>, revId: string): boolean {
  if (revision.revId === revId || revision.history.includes(revId)) return true
  const entries = [revision.revId, ...revision.history]
  if (!isVersion(revId)) {
    const version = legacyVersion(revId)
    return version !== undefined && entries.includes(version)
  }
  if (revId.endsWith(LEGACY_SOURCE) && entries.some((entry) => !entry.includes('@') && legacyVersion(entry) === revId)) return true
  const versions = entries.filter((entry) => entry.includes('@'))
  return versions.length > 0 && knows({ versions, merges: 0 }, revId)
}
