/**
 * What the protocol code must know about a database's revision scheme. Revision trees are built here; version vectors
 * (`CBMobile_4`) fit behind the same seam.
 */
export interface Versioning {
  /** Value of the `versioning` property of `subChanges` (cbmobile.md §5). */
  readonly name: 'rev-trees' | 'version-vectors'
  /** Sub-protocols to offer and accept, best first (cbmobile.md §1). */
  readonly protocols: readonly string[]
  /** Whether a peer's `versioning` property can be served. */
  accepts(versioning: string | undefined): boolean
  isRevId(text: string): boolean
  /** Splits the `history` property; undefined when it is malformed. */
  parseHistory(revId: string, text: string | undefined): readonly string[] | undefined
  /**
   * The `history` property for a revision whose ancestors are `ancestors`, ending at the first one that the peer knows; when more than
   * `maxHistory` lie before that one, it takes the last place, so that the peer can tell what the revision descends from.
   */
  formatHistory(ancestors: readonly string[], known: ReadonlySet<string>, maxHistory: number): string
  /** Positive when `a` is later in a document's life than `b`. */
  compareAge(a: string, b: string): number
}

const MAX_REV_ID = 250

/** `N` of `N-digest`, or 0. */
export function generation(revId: string): number {
  const dash = revId.indexOf('-')
  const value = dash > 0 ? Number(revId.slice(0, dash)) : 0
  return Number.isSafeInteger(value) && value > 0 ? value : 0
}

/** Hand-written: it runs for every revision that passes. `<generation ≥ 1>-<lowercase hex>`. */
function isTreeRevId(text: string): boolean {
  const length = text.length
  if (length < 3 || length > MAX_REV_ID) return false
  let i = 0
  let code = text.charCodeAt(0)
  if (code < 0x31 || code > 0x39) return false
  while (code >= 0x30 && code <= 0x39) code = text.charCodeAt(++i)
  if (code !== 0x2d || i > 15 || i + 1 >= length) return false
  for (i++; i < length; i++) {
    code = text.charCodeAt(i)
    if (!((code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66))) return false
  }
  return true
}

/** How many of the first `end` ancestors lead from one generation to the one before it. */
function gaplessRun(ancestors: readonly string[], end: number): number {
  const first = generation(ancestors[0] as string)
  let run = end
  while (run > 1 && first - generation(ancestors[run - 1] as string) !== run - 1) run -= 1
  return run
}

/** Revision trees: `<generation>-<hex digest>` (cbmobile.md §14). */
export const treeVersioning: Versioning = {
  name: 'rev-trees',
  protocols: ['BLIP_3+CBMobile_3'],
  accepts: (versioning) => versioning === undefined || versioning === 'rev-trees',
  isRevId: isTreeRevId,
  parseHistory(revId, text) {
    if (text === undefined || text === '') return []
    const history = text.split(',').map((part) => part.trim())
    let newer = generation(revId)
    for (const ancestor of history) {
      const older = generation(ancestor)
      // A list that would be too long leaves out what lies between its youngest and the one that both sides know.
      if (!isTreeRevId(ancestor) || older >= newer) return undefined
      newer = older
    }
    return history
  },
  formatHistory(ancestors, known, maxHistory) {
    let end = 0
    let reached = false
    while (end < ancestors.length && end < maxHistory && !reached) reached = known.has(ancestors[end++] as string)
    if (end === 1 && (reached || ancestors.length === 1)) return ancestors[0] as string
    const run = gaplessRun(ancestors, end)
    if (run === end && (reached || end === ancestors.length)) return ancestors.slice(0, end).join(',')
    const common = ancestors.find((ancestor, index) => index >= run && known.has(ancestor))
    if (common === undefined) return ancestors.slice(0, run).join(',')
    return [...ancestors.slice(0, Math.min(run, maxHistory - 1)), common].join(',')
  },
  compareAge: (a, b) => generation(a) - generation(b)
}
