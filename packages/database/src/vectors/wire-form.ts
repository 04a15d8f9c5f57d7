import { databaseErrors } from '../errors.ts'
import { isHistory, isRevisionId } from '../trees/rev-id.ts'
import { compareVersions, isVersion, sourceOf } from './version.ts'

/**
 * The parts of a revision's past as they are stored and sent: `history` is the vector in its order without the current version, then
 * revision ids from before the database had vectors, newest first; the first `merges` entries are merge versions.
 */
export interface VectorHistory {
  readonly history: readonly string[]
  readonly merges: number
}

/** A whole vector. */
export interface FullVector extends VectorHistory {
  /** The current version, or a revision id of a tree for a document without one. */
  readonly revId: string
}

/** Entries accepted in a history that comes from outside. */
const MAX_HISTORY = 1000

/** Longest text of a vector that is looked at. */
const MAX_TEXT = 64 * 1024

/**
 * The property `history` of a `rev` message (cbmobile.md §15): entries joined by `, `; with merge versions, `;` ends those.
 * Empty when there is nothing.
 */
export function formatHistory({ history, merges = 0 }: { readonly history: readonly string[]; readonly merges?: number }): string {
  if (merges === 0) return history.join(', ')
  const rest = history.slice(merges)
  return `${history.slice(0, merges).join(', ')};${rest.length === 0 ? '' : ` ${rest.join(', ')}`}`
}

/** A whole vector as text: `cv, mv1, mv2; pv1, pv2`. */
export function formatVector({ revId, history, merges = 0 }: Omit<FullVector, 'merges'> & { readonly merges?: number }): string {
  if (history.length === 0) return revId
  return `${revId}${merges === 0 ? '; ' : ', '}${formatHistory({ history, merges })}`
}

/**
 * Reads the property `history` of a `rev` message. Without `;` all are previous versions.
 * @throws ERR_DB_REVISION_ID when it is malformed, contradicts itself or is too long.
 */
export function parseHistory(revId: string, text: string): VectorHistory {
  const found = splitHistory(text)
  if (found === undefined || !isVectorHistory(revId, found.history, found.merges)) throw malformed(text)
  return found
}

/**
 * Reads a whole vector, as in `proposeChanges` and in the `rev` of a refusal; a single version, or a revision id of a tree, is one too.
 * Without `;` all are merge versions.
 * @throws ERR_DB_REVISION_ID
 */
export function parseVector(text: string): FullVector {
  const first = /[,;]/.exec(text.slice(0, MAX_TEXT))
  const revId = first === null ? text : text.slice(0, first.index).trimEnd()
  let found: VectorHistory | undefined = { history: [], merges: 0 }
  if (first !== null) {
    found = splitHistory(text.slice(first.index + 1))
    if (found !== undefined && first[0] === ',' && !text.includes(';')) {
      const legacy = found.history.findIndex((entry) => !entry.includes('@'))
      found = { history: found.history, merges: legacy < 0 ? found.history.length : legacy }
    } else if (found !== undefined && first[0] === ';') {
      if (found.merges > 0 || text.includes(';', first.index + 1)) found = undefined
    }
  }
  if (found === undefined || !isVectorHistory(revId, found.history, found.merges)) throw malformed(text)
  return { revId, ...found }
}

/** The current version at the head of a vector's text. */
export function headOf(text: string): string {
  const end = text.search(/[,;]/)
  return end < 0 ? text : text.slice(0, end).trimEnd()
}

/**
 * Whether these are the parts of one vector: valid versions, each source once (that of the current version once more, earlier, among the
 * merge versions), then revision ids of trees. After a revision id of a tree nothing but such may come.
 */
export function isVectorHistory(revId: string, history: readonly string[], merges = 0): boolean {
  if (history.length > MAX_HISTORY || !Number.isInteger(merges) || merges < 0 || merges > history.length) return false
  if (!isVersion(revId)) return merges === 0 && isRevisionId(revId) && isHistory(revId, history)
  if (history.length === 0) return true
  const current = sourceOf(revId)
  let seen: Set<string> | undefined
  let again = false
  let legacy = false
  for (let index = 0; index < history.length; index += 1) {
    const entry = history[index] as string
    if (legacy || !entry.includes('@')) {
      if (index < merges || !isRevisionId(entry)) return false
      legacy = true
      continue
    }
    if (!isVersion(entry)) return false
    const source = sourceOf(entry)
    if (source === current) {
      if (again || index >= merges || compareVersions(entry, revId) >= 0) return false
      again = true
    } else {
      if (seen?.has(source) === true) return false
      if (index < history.length - 1 || seen !== undefined) (seen ??= new Set()).add(source)
    }
  }
  return true
}

function splitHistory(text: string): VectorHistory | undefined {
  if (text.length > MAX_TEXT) return undefined
  const semicolon = text.indexOf(';')
  if (semicolon < 0) return { history: entriesOf(text), merges: 0 }
  if (text.includes(';', semicolon + 1)) return undefined
  const merged = entriesOf(text.slice(0, semicolon))
  return { history: [...merged, ...entriesOf(text.slice(semicolon + 1))], merges: merged.length }
}

function entriesOf(text: string): string[] {
  return text.trim() === '' ? [] : text.split(',').map((entry) => entry.trim())
}

function malformed(text: string): Error {
  return databaseErrors.create('ERR_DB_REVISION_ID', `${JSON.stringify(text.slice(0, 80))} is no version vector`)
}
