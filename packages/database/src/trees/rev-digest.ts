import { createHash } from 'node:crypto'
import { eraOf, eraSuffix, generationOf, latestEra } from './rev-id.ts'
import type { Ranked } from './rev-id.ts'

/**
 * The revision id of a new revision, by the rule of cbmobile.md §14:
 * SHA-1 of byte(length of parent) ‖ parent ‖ byte(deleted) ‖ canonical JSON, behind the next generation.
 * The same content on the same parent gives the same id everywhere.
 * @param parent `''` for a first revision.
 * @param canonical the body as canonical JSON: keys in order, no spaces.
 * @param era of the new revision, at least that of the parent; see {@link eraOf}.
 */
export function makeRevisionId(parent: string, deleted: boolean, canonical: string | Uint8Array, era = eraOf(parent)): string {
  return revisionId(parent, deleted ? 1 : 0, canonical, era)
}

/**
 * The id of a revision that says what its parent says and exists for its era alone (docs/convergence.md). Told from an edit by its digest:
 * whatever else descends from the parent replaces it.
 */
export function makeLiftId(parent: string, deleted: boolean, canonical: string | Uint8Array, era: number): string {
  return revisionId(parent, deleted ? 3 : 2, canonical, era)
}

function revisionId(parent: string, kind: number, canonical: string | Uint8Array, era: number): string {
  const head = Buffer.allocUnsafe(parent.length + 2)
  head[0] = parent.length
  head.write(parent, 1, 'latin1')
  head[parent.length + 1] = kind
  const digest = createHash('sha1').update(head).update(canonical).digest('hex')
  return `${generationOf(parent) + 1}-${digest}${eraSuffix(era)}`
}

/** The era of a revision made here on top of `parent`: a document that is made anew on top of its tombstone begins the next one. */
export function nextEra(parent: Ranked, deleted: boolean): number {
  const era = latestEra(parent)
  return parent.deleted && !deleted ? era + 1 : era
}

/** How Couchbase Lite names the tombstone with which it ends a branch (`deleted_branch`, cbmobile.md §8); none is ever stored here. */
export function tombstoneIdFor(parent: string): string {
  return makeRevisionId(parent, true, '{}', 0)
}
