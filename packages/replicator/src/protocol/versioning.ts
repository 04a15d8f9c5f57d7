import type { DocumentVersioning, RevisionForPush } from '@kithmesh/database/replication'

/** What came before a revision, as a peer told it; see `IncomingRevision` of the database. */
export interface RevisionHistory {
  readonly history: readonly string[]
  /** Vectors: how many of the first are merge versions. */
  readonly merges: number
}

/** What the protocol code must know about a database's revision scheme. */
export interface Versioning {
  /** Value of the `versioning` property of `subChanges` (cbmobile.md §5). */
  readonly name: DocumentVersioning
  /** Documents may have branches: histories have a length to agree on, and a branch can be ended by its tombstone (§8, §11). */
  readonly branches: boolean
  /** Whether a peer's `versioning` property can be served. */
  accepts(versioning: string | undefined): boolean
  /** Whether it is a revision id of the other scheme, which cannot be served. */
  isForeign(text: string): boolean
  /** The revision that a peer names by its id or, with vectors, by its whole vector; undefined when malformed. */
  revIdOf(text: string): string | undefined
  /** Splits the `history` property; undefined when it is malformed. */
  parseHistory(revId: string, text: string | undefined): RevisionHistory | undefined
  /**
   * The `history` property for a revision that has any history. Of ancestors in a tree, up to the first one that the peer knows; when more than
   * `maxHistory` lie before that one, it takes the last place, so that the peer can tell what the revision descends from.
   */
  formatHistory(revision: Pick<RevisionForPush, 'revId' | 'history' | 'merges'>, known: ReadonlySet<string>, maxHistory: number): string
  /** Whether a revision here was made with knowledge of what the peer named in an answer 409. */
  descendsFrom(revision: Pick<RevisionForPush, 'revId' | 'history' | 'merges'>, theirs: string): boolean
  /**
   * Whether a revision that the peer announces is news, when `noted` is the last one it was known to have. It may have announced it before it
   * took ours. In trees the generation tells; a vector may win over a later one, so there every other revision is news.
   */
  isNews(announced: string, noted: string): boolean
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

const NO_HISTORY: RevisionHistory = { history: [], merges: 0 }

/** Revision trees: `<generation>-<hex digest>` (cbmobile.md §14). */
export const treeVersioning: Versioning = {
  name: 'rev-trees',
  branches: true,
  accepts: (versioning) => versioning === undefined || versioning === 'rev-trees',
  isForeign: (text) => text.includes('@'),
  revIdOf: (text) => (isTreeRevId(text) ? text : undefined),
  parseHistory(revId, text) {
    if (text === undefined || text === '') return NO_HISTORY
    const history = text.split(',').map((part) => part.trim())
    let newer = generation(revId)
    for (const ancestor of history) {
      const older = generation(ancestor)
      // A list that would be too long leaves out what lies between its youngest and the one that both sides know.
      if (!isTreeRevId(ancestor) || older >= newer) return undefined
      newer = older
    }
    return { history, merges: 0 }
  },
  formatHistory({ history: ancestors }, known, maxHistory) {
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
  descendsFrom: ({ history }, theirs) => history.includes(theirs),
  isNews: (announced, noted) => generation(announced) > generation(noted)
}
