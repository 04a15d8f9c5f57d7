import { compareVersions, isVersion } from './version.ts'
import { compareRevisions } from '../trees/rev-id.ts'
import { legacyVersion } from './legacy.ts'

/** What the default decision between two sides of a conflict looks at. */
export interface ConflictSide {
  readonly revId: string
  readonly deleted: boolean
  /** Of a document that is still a tree: its ancestors. */
  readonly history?: readonly string[]
}

/**
 * The default decision of Couchbase Lite 4.x (cbmobile.md §11): a deletion wins, then the later time. Of equal times, where Couchbase Lite
 * takes the remote side, and so each of two peers the other's, the greater source wins. Positive: `a` wins.
 */
export function compareVersionsForWin(a: ConflictSide, b: ConflictSide): number {
  const vectors = [isVersion(a.revId), isVersion(b.revId)]
  if (!vectors[0] && !vectors[1]) return compareRevisions(a, b)
  if (a.deleted !== b.deleted) return a.deleted ? 1 : -1
  return compareVersions(rankable(a.revId), rankable(b.revId))
}

/** A revision of a tree counts as the version that stands for it, and so comes before all that was made since. */
function rankable(revId: string): string {
  return isVersion(revId) ? revId : (legacyVersion(revId) ?? '')
}
