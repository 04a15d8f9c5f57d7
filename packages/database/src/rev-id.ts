/** Revision ids of tree mode (cbmobile.md §14): `<generation from 1, decimal>-<lowercase hex, even count>`. */
const PATTERN = /^[1-9][0-9]{0,8}-(?:[0-9a-f]{2})+$/

/** Longest revision id accepted, in characters. */
export const MAX_REVISION_ID = 250

export function isRevisionId(text: string): boolean {
  return text.length <= MAX_REVISION_ID && PATTERN.test(text)
}

/** The generation of a valid revision id; 0 for the empty string ("no revision"). */
export function generationOf(revId: string): number {
  let generation = 0
  for (let index = 0; index < revId.length; index += 1) {
    const digit = revId.charCodeAt(index) - 48
    if (digit < 0 || digit > 9) break
    generation = generation * 10 + digit
  }
  return generation
}

/** Orders revision ids as winners are chosen: by generation, then by digest. */
export function compareRevisionIds(a: string, b: string): number {
  const difference = generationOf(a) - generationOf(b)
  if (difference !== 0) return difference
  return a === b ? 0 : a < b ? -1 : 1
}

/**
 * Whether `history` (newest first) can be the ancestors of `revId`: valid ids of strictly falling generations.
 * Gaps are allowed; peers that prune leave them.
 */
export function isHistory(revId: string, history: readonly string[]): boolean {
  let generation = generationOf(revId)
  for (const ancestor of history) {
    if (!isRevisionId(ancestor)) return false
    const next = generationOf(ancestor)
    if (next >= generation) return false
    generation = next
  }
  return true
}
