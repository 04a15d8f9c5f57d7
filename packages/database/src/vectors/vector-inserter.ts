import { DocumentFlag } from '../contracts/storage.ts'
import type { StoredDocument } from '../contracts/storage.ts'
import type { IncomingRevision } from '../contracts/replication.ts'
import type { InsertionContext, InsertionPlan } from '../revision-model.ts'
import { compareSides, isSame, isSameMerge, joinedLegacy, pastOf, takeOver, vectorOf } from './sides.ts'
import { decodeDocument, decodeHistory, encodeDocument, encodeHistory } from './vector-document.ts'
import type { Side, VectorDocument } from './vector-document.ts'
import { compareVersions } from './version.ts'
import { above, bounded, latestTime, MAX_SOURCES, sharesVersion } from './version-vector.ts'
import type { VersionVector } from './version-vector.ts'

/** Makes a version that is later than a time. */
export type MakeVersion = (after: string) => string

/** Rivals kept of one document; from then on further ones are refused. */
const MAX_RIVALS = 16

const NOTHING = new Uint8Array(0)

/** Decides what a foreign revision does to a document of a database with version vectors (cbmobile.md §11, §15). */
export function planVectorInsertion(
  existing: StoredDocument | undefined,
  revision: IncomingRevision,
  context: InsertionContext,
  make: MakeVersion
): InsertionPlan {
  const { id, revId, deleted, hasBlobs, history, merges = 0 } = revision
  const body = deleted && revision.body.length <= 2 ? NOTHING : revision.body
  if (existing === undefined) {
    const flags = (deleted ? DocumentFlag.deleted : 0) | (hasBlobs ? DocumentFlag.hasBlobs : 0)
    return { status: 'stored', document: { id, revId, flags, body, tree: encodeHistory(boundedPast(revId, history, merges)) } }
  }
  if (existing.revId === revId) return { status: 'known' }
  const past = decodeHistory(existing.tree)
  if (past !== undefined && namesAll(revId, history, existing.revId, past.history)) {
    const flags = (deleted ? DocumentFlag.deleted : 0) | (hasBlobs ? DocumentFlag.hasBlobs : 0)
    return { status: 'stored', document: { id, revId, flags, body, tree: encodeHistory(boundedPast(revId, history, merges)) } }
  }
  if (isSame(existing.revId, revId)) return { status: 'known' }
  const document = decodeDocument(existing)
  const { current } = document
  const incoming: Side = { revId, ...boundedPast(revId, history, merges), deleted, hasBlobs, body }
  let order = compareSides(incoming, current)
  if (order === 'conflict' && isMadeAnew(incoming, existing, current, revision, context)) order = 'newer'
  if (order === 'newer') {
    const taken = takeOver(incoming, current)
    if (taken !== undefined) return storedPlan(id, replaceCurrent(document, taken))
  }
  if (order === 'same' || order === 'older') return { status: 'known' }
  if (order !== 'conflict') return settle(id, document, incoming, revision.onConflict, make)
  if (isSameMerge(incoming, current)) return settleSameMerge(id, document, incoming, revision.onConflict)
  return revision.onConflict === 'refuse' ? { status: 'conflict', revId: current.revId } : branch(id, document, incoming)
}

/**
 * Whether a revision simply comes next: its vector names, or succeeds by its own source, all that is known of the current one. What usually
 * comes, told without taking vectors apart.
 */
function namesAll(revId: string, history: readonly string[], currentRevId: string, past: readonly string[]): boolean {
  const source = revId.indexOf('@')
  const suffix = source < 0 ? undefined : revId.slice(source)
  const isNamed = (entry: string): boolean =>
    history.includes(entry) || (suffix !== undefined && entry.endsWith(suffix) && compareVersions(revId, entry) > 0)
  return isNamed(currentRevId) && past.every(isNamed)
}

/**
 * The conflict was decided both ways. The later version wins, by the same rule on every peer, if it can stay current; the outcome knows all that
 * either did. A peer that does not know the rule (Couchbase Lite) only takes what is above its own decision, so when it brings the lesser one,
 * the greater one is made anew above it.
 */
function settle(id: string, document: VectorDocument, incoming: Side, onConflict: 'refuse' | 'branch', make: MakeVersion): InsertionPlan {
  const { current } = document
  const taken = takeOver(incoming, current)
  const kept = takeOver(current, incoming)
  const later = compareVersions(incoming.revId, current.revId) > 0
  if (taken !== undefined && (kept === undefined || later)) return storedPlan(id, replaceCurrent(document, taken))
  if (kept !== undefined && onConflict === 'branch') return storedPlan(id, replaceCurrent(document, kept), current.revId)
  const winner = kept !== undefined || !later ? current : incoming
  const remade = makeAbove(winner, current, incoming, make)
  return storedPlan(id, replaceCurrent(document, remade), remade.revId)
}

/** One merge that was made twice: the later of the two versions stands for both. */
function settleSameMerge(id: string, document: VectorDocument, incoming: Side, onConflict: 'refuse' | 'branch'): InsertionPlan {
  const { current } = document
  const later = compareVersions(incoming.revId, current.revId) > 0
  const stands = later ? takeOver(incoming, current) : takeOver(current, incoming)
  if (stands === undefined || (!later && onConflict === 'refuse')) return { status: 'known' }
  return storedPlan(id, replaceCurrent(document, stands), later ? undefined : current.revId)
}

function branch(id: string, document: VectorDocument, incoming: Side): InsertionPlan {
  const rivals: Side[] = []
  let rival = incoming
  for (const other of document.rivals) {
    const order = compareSides(rival, other)
    if (order === 'same' || order === 'older') return { status: 'known' }
    if (order === 'conflict') {
      rivals.push(other)
      continue
    }
    const [winner, loser] = order === 'decided' && compareVersions(rival.revId, other.revId) < 0 ? [other, rival] : [rival, other]
    rival = takeOver(winner, loser) ?? winner
  }
  if (rivals.length >= MAX_RIVALS) return { status: 'conflict', revId: document.current.revId }
  return { status: 'conflicted', document: encodeDocument(id, { current: document.current, rivals: [...rivals, rival] }) }
}

/** The document with another current revision: rivals it covers are rivals no longer. */
export function replaceCurrent({ rivals }: VectorDocument, current: Side): VectorDocument {
  let taken = current
  const left: Side[] = []
  for (const rival of rivals) {
    const order = compareSides(taken, rival)
    if (order === 'conflict') left.push(rival)
    else if (order === 'older') taken = takeOver(rival, taken) ?? taken
    else taken = takeOver(taken, rival) ?? taken
  }
  return { current: taken, rivals: left }
}

/** One side's content under a new version above both. */
export function makeAbove(winner: Side, a: Side, b: Side, make: MakeVersion): Side {
  const [ours, theirs] = [vectorOf(a) ?? EMPTY, vectorOf(b) ?? EMPTY]
  return { ...winner, ...pastOf(above(make(latestTime(ours, theirs)), ours, theirs), joinedLegacy(a, b)) }
}

/**
 * Whether a document was made anew by somebody who never saw the tombstone that is current here: then it replaces the tombstone without
 * a conflict at a passive peer, which has nobody to resolve one (cbmobile.md §7, rule 4), and at one that knows the remote had this very tombstone.
 */
function isMadeAnew(incoming: Side, existing: StoredDocument, current: Side, revision: IncomingRevision, context: InsertionContext): boolean {
  if (!current.deleted || incoming.deleted) return false
  if (revision.onConflict === 'branch' && context.remoteAncestor() !== existing.revId) return false
  const [ours, theirs] = [vectorOf(current), vectorOf(incoming)]
  return ours === undefined || theirs === undefined || !sharesVersion(ours, theirs)
}

function storedPlan(id: string, document: VectorDocument, successor?: string): InsertionPlan {
  return {
    status: document.rivals.length === 0 ? 'stored' : 'conflicted',
    document: encodeDocument(id, document),
    ...(successor !== undefined && { successor })
  }
}

function boundedPast(revId: string, history: readonly string[], merges: number): { history: readonly string[]; merges: number } {
  if (history.length < MAX_SOURCES) return { history, merges }
  const versions = history.filter((entry) => entry.includes('@'))
  const vector = bounded({ versions: [revId, ...versions], merges })
  return pastOf(vector, history.slice(versions.length))
}

const EMPTY: VersionVector = Object.freeze({ versions: Object.freeze([]), merges: 0 })
