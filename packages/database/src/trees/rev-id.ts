/** Revision ids of tree mode (cbmobile.md §14): `<generation from 1, decimal>-<lowercase hex, even count>`. */
const PATTERN = /^[1-9][0-9]{0,8}-(?:[0-9a-f]{2})+$/

/** Longest revision id accepted, in characters. */
const MAX_REVISION_ID = 250

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

/** Orders revision ids by generation, then by digest. */
export function compareRevisionIds(a: string, b: string): number {
  const difference = generationOf(a) - generationOf(b)
  if (difference !== 0) return difference
  return a === b ? 0 : a < b ? -1 : 1
}

/** SHA-1 and four bytes more, in digits: the form of ids that carry an era. */
const DIGEST_DIGITS = 40
const ERA_DIGITS = 8
const LAST_ERA = 0xffff_ffff

/**
 * How often the document's past was put aside knowingly before this revision: a document made anew on top of its tombstone begins the
 * next era. Part of the id, so that it is the same wherever the revision goes; 0 for the ids of foreign peers. See docs/convergence.md.
 */
export function eraOf(revId: string): number {
  if (revId.length - revId.indexOf('-') - 1 !== DIGEST_DIGITS + ERA_DIGITS) return 0
  return Number.parseInt(revId.slice(-ERA_DIGITS), 16)
}

/** What an id of this era ends in; nothing for the first, whose ids are those of cbmobile.md §14. */
export function eraSuffix(era: number): string {
  return era === 0 ? '' : Math.min(era, LAST_ERA).toString(16).padStart(ERA_DIGITS, '0')
}

/** What the order of revisions is made of. */
export interface Ranked {
  readonly revId: string
  readonly deleted: boolean
  /** Its ancestors, as far as known: edits by foreign peers stay in the era of what they edit, though their ids do not say so. */
  readonly history?: readonly string[]
}

/** The era of a line of revisions. */
export function latestEra({ revId, history }: Pick<Ranked, 'revId' | 'history'>): number {
  let era = eraOf(revId)
  if (history !== undefined) for (const ancestor of history) era = Math.max(era, eraOf(ancestor))
  return era
}

/**
 * The order in which revisions win: the later era, then the tombstone, then the higher generation, then the greater id (cbmobile.md §11
 * within an era). Depends on nothing but the two, and every revision made here comes after its parent. Positive: `a` wins.
 */
export function compareRevisions(a: Ranked, b: Ranked): number {
  const difference = latestEra(a) - latestEra(b)
  if (difference !== 0) return difference
  if (a.deleted !== b.deleted) return a.deleted ? 1 : -1
  return compareRevisionIds(a.revId, b.revId)
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
