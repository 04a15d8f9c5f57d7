import { checkBody } from '../body-check.ts'
import type { ConflictResolution } from '../contracts/replication.ts'
import { databaseErrors } from '../errors.ts'
import { joinedLegacy, pastOf, saySame, takeOver, vectorOf } from './sides.ts'
import type { Side, VectorDocument } from './vector-document.ts'
import { makeAbove, replaceCurrent } from './vector-inserter.ts'
import type { MakeVersion } from './vector-inserter.ts'
import { LEGACY_SOURCE } from './legacy.ts'
import { sourceOf } from './version.ts'
import { currentVersion, latestTime, merge } from './version-vector.ts'
import type { VersionVector } from './version-vector.ts'
import { compareVersionsForWin } from './win-order.ts'

const NOTHING = new Uint8Array(0)

/**
 * The document after a resolution (cbmobile.md §11). An outcome that says what one side says is a trivial merge: that side's version stays,
 * so peers that decide alike have the same one. Any other is a true merge under a version of our own.
 * @throws ERR_DB_CONFLICT when either is no longer what it was, or both come from one source.
 */
export function resolveVectors(
  id: string,
  document: VectorDocument,
  localRevId: string,
  remoteRevId: string,
  resolution: ConflictResolution,
  make: MakeVersion
): VectorDocument {
  const local = document.current
  const remote = document.rivals.find((rival) => rival.revId === remoteRevId)
  if (local.revId !== localRevId || remote === undefined) {
    throw databaseErrors.create(
      'ERR_DB_CONFLICT',
      `Document ${JSON.stringify(id)} changed meanwhile: ${localRevId} and ${remoteRevId} are not both current`
    )
  }
  const outcome = outcomeOf(local, remote, resolution)
  const rivals = document.rivals.filter((rival) => rival !== remote)
  return replaceCurrent({ current: local, rivals }, 'taken' in outcome ? taken(outcome.taken, local, remote, make) : merged(id, outcome.made, local, remote, make))
}

type Content = Pick<Side, 'deleted' | 'hasBlobs' | 'body'>

function outcomeOf(local: Side, remote: Side, resolution: ConflictResolution): { readonly taken: Side } | { readonly made: Content } {
  if (resolution.take === 'local') return { taken: local }
  if (resolution.take === 'remote') return { taken: remote }
  const made =
    resolution.take === 'deleted' ? { deleted: true, hasBlobs: false, body: NOTHING } : { deleted: false, ...checkBody(resolution.body) }
  const best = compareVersionsForWin(local, remote) > 0 ? [local, remote] : [remote, local]
  const equal = best.find((side) => saySame(side, made))
  return equal === undefined ? { made: { deleted: made.deleted, hasBlobs: made.hasBlobs, body: made.body } } : { taken: equal }
}

/** Nothing new is made unless the side taken cannot stay current. */
function taken(side: Side, local: Side, remote: Side, make: MakeVersion): Side {
  return takeOver(side, side === local ? remote : local) ?? makeAbove(side, local, remote, make)
}

function merged(id: string, content: Content, local: Side, remote: Side, make: MakeVersion): Side {
  const [ours, theirs] = [vectorOf(local), vectorOf(remote)]
  // What was made in trees goes on as their ids: the versions that stand for two of them have one source, and no order.
  if (ours === undefined || theirs === undefined || (isLegacy(ours) && isLegacy(theirs))) {
    return { ...makeAbove(local, local, remote, make), ...content }
  }
  const vector = merge(make(latestTime(ours, theirs)), ours, theirs)
  if (vector === undefined) {
    throw databaseErrors.create(
      'ERR_DB_CONFLICT',
      `${currentVersion(ours)} and ${currentVersion(theirs)} of document ${JSON.stringify(id)} cannot be in conflict: one source made both`
    )
  }
  return { ...content, ...pastOf(vector, joinedLegacy(local, remote)) }
}

function isLegacy(vector: VersionVector): boolean {
  return sourceOf(currentVersion(vector)) === LEGACY_SOURCE
}
