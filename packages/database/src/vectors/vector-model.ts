import type { Clock } from '@kithmesh/core/plugin'
import type { IncomingRevision, RevisionForPush } from '../contracts/replication.ts'
import { DocumentFlag } from '../contracts/storage.ts'
import type { StorageWriter, StoredChange, StoredDocument } from '../contracts/storage.ts'
import { asciiOf } from '../bytes.ts'
import { databaseErrors, editConflict } from '../errors.ts'
import type { LocalRevision, ProposalAnswer, RevisionModel, StorableDocument } from '../revision-model.ts'
import { olderThan, plainRevision } from '../trees/tree-model.ts'
import { vectorCovers } from './covers.ts'
import { HybridClock } from './hybrid-clock.ts'
import { compareSides, isSame, legacyOf, pastOf, vectorOf } from './sides.ts'
import { decodeDocument, decodeHistory, encodeDocument } from './vector-document.ts'
import type { Side, VectorDocument } from './vector-document.ts'
import { makeAbove, planVectorInsertion, replaceCurrent } from './vector-inserter.ts'
import { resolveVectors } from './vector-resolution.ts'
import { compareVersions, isVersion, sourceIdOf, sourceOf, timeOf } from './version.ts'
import { latestTime, withVersion } from './version-vector.ts'
import { formatVector, headOf, isVectorHistory, parseVector } from './wire-form.ts'
import type { FullVector } from './wire-form.ts'

/** Where the last time that was given to a version made here is kept. */
const CLOCK_SPACE = 'clock'
const CLOCK_KEY = 'last'

/** Version vectors (cbmobile.md §15). One per open database: it has the clock. */
export function vectorModel(privateUuid: string, machineClock: Clock): RevisionModel {
  const clock = new HybridClock(machineClock)
  const source = sourceIdOf(privateUuid)
  let made = false

  const make = (after: string): string => {
    made = true
    return `${clock.next(after)}@${source}`
  }

  return {
    versioning: 'version-vectors',
    derivesIds: false,

    /** Goes on from the last time that any process made, and leaves the next one to go on from: not even a purged document gets a time again. */
    transaction: (work) => (writer: StorageWriter) => {
      const stored = writer.getValue(CLOCK_SPACE, CLOCK_KEY)
      if (stored !== undefined) clock.resume(asciiOf(stored))
      made = false
      const result = work(writer)
      if (made) writer.setValue(CLOCK_SPACE, CLOCK_KEY, Buffer.from(clock.last, 'latin1'))
      return result
    },

    check({ id, revId, history, merges }) {
      if (!isVectorHistory(revId, history, merges)) {
        throw databaseErrors.create(
          'ERR_DB_REVISION_ID',
          `Revision ${JSON.stringify(revId.slice(0, 80))} of ${JSON.stringify(id)} or its history is malformed`
        )
      }
      if (isVersion(revId)) clock.observe(timeOf(revId))
      for (const entry of history) if (entry.includes('@')) clock.observe(timeOf(entry))
    },

    planLocal: (existing, revision) => planLocal(existing, revision, make),
    planInsertion: (existing, revision: IncomingRevision, context) => planVectorInsertion(existing, revision, context, make),

    resolve(existing, localRevId, remoteRevId, resolution) {
      return encodeDocument(existing.id, resolveVectors(existing.id, decodeDocument(existing), localRevId, remoteRevId, resolution, make))
    },

    conflictOf(stored) {
      const { current, rivals } = decodeDocument(stored)
      return rivals[0] === undefined
        ? undefined
        : { id: stored.id, local: forPush(stored, current), remote: forPush(stored, rivals[0]) }
    },

    rivalBodies: (stored) =>
      decodeDocument(stored).rivals.flatMap(({ hasBlobs, body }) => (hasBlobs && body.length > 0 ? [body] : [])),

    revision(stored, revId) {
      const past = revId === undefined || revId === stored.revId ? decodeHistory(stored.tree) : undefined
      if (past !== undefined) {
        const plain = plainRevision(stored, past.history)
        return past.merges === 0 ? plain : { ...plain, merges: past.merges }
      }
      const side = sidesOf(decodeDocument(stored)).find((one) => one.revId === (revId ?? stored.revId))
      return side === undefined ? undefined : forPush(stored, side)
    },

    missing(stored, revId) {
      const document = decodeDocument(stored)
      const sides = sidesOf(document)
      if (sides.some((side) => (side === document.current ? coversForGood(side, revId) : vectorCovers(side, revId)))) return 'known'
      if (!isVersion(revId) && !isVersion(stored.revId)) return olderThan(revId, legacyOf(document.current))
      return sides.map((side) => side.revId)
    },

    checkProposal,
    closingTombstone: () => undefined,

    graft(stored, onto) {
      const document = decodeDocument(stored)
      const theirs = vectorFrom(onto)
      if (document.rivals.length > 0 || theirs === undefined || !vectorCovers(document.current, theirs.revId)) return undefined
      const made = makeAbove(document.current, document.current, { ...document.current, ...theirs }, make)
      return encodeDocument(stored.id, { current: made, rivals: [] })
    }
  }
}

function planLocal(
  existing: StoredDocument | undefined,
  { id, body, deleted, hasBlobs, parent }: LocalRevision,
  make: (after: string) => string
): StorableDocument {
  const content = { deleted, hasBlobs, body }
  if (existing === undefined) {
    if (parent !== undefined && parent !== '') throw editConflict(id, parent, undefined)
    return encodeDocument(id, { current: { revId: make(''), history: [], merges: 0, ...content }, rivals: [] })
  }
  const gone = (existing.flags & DocumentFlag.deleted) !== 0
  if (parent !== undefined && parent !== existing.revId && !(parent === '' && gone)) throw editConflict(id, parent, existing.revId)
  const document = decodeDocument(existing)
  const { current } = document
  if (!isVersion(current.revId)) {
    return encodeDocument(id, replaceCurrent(document, { ...content, ...pastOf({ versions: [make('')], merges: 0 }, legacyOf(current)) }))
  }
  const before = vectorOf(current) ?? { versions: [current.revId], merges: 0 }
  const edited = { ...content, ...pastOf(withVersion(before, make(latestTime(before))), legacyOf(current)) }
  return encodeDocument(id, { current: edited, rivals: document.rivals })
}

function forPush({ id, sequence }: StoredDocument, side: Side): RevisionForPush {
  const { revId, history, merges, deleted, hasBlobs, body } = side
  return {
    id,
    revId,
    sequence,
    deleted,
    hasBlobs,
    body: body.length === 0 ? EMPTY_OBJECT : body,
    history,
    ...(merges > 0 && { merges })
  }
}

function sidesOf({ current, rivals }: VectorDocument): Side[] {
  return [current, ...rivals]
}

/**
 * Whether there is nothing to learn from a revision that a peer has as current. What is covered was superseded here, or was decided against;
 * in the second case the peer may have decided the other way, which shows only in its vector, and it would win if it is the later one.
 */
function coversForGood(side: Side, revId: string): boolean {
  return vectorCovers(side, revId) && !(side.history.includes(revId) && isVersion(revId) && compareVersions(revId, side.revId) > 0)
}

/** cbmobile.md §7 with the rule for vectors; a refusal names the whole vector, as Couchbase Lite does. */
function checkProposal(current: StoredChange, revId: string, parentRevId: string, read: () => StoredDocument | undefined): ProposalAnswer {
  const proposed = headOf(revId)
  const parent = headOf(parentRevId)
  if (isSame(current.revId, proposed)) return 304
  if (parent !== '' && isSame(current.revId, parent)) return 0
  if (parent === '' && (current.flags & DocumentFlag.deleted) !== 0) return 0
  const stored = read()
  if (stored === undefined) return 0
  const side = decodeDocument(stored).current
  const full = proposed === revId ? undefined : vectorFrom(revId)
  if (full !== undefined) {
    const order = compareSides(full, side)
    if (order === 'newer' || order === 'decided') return 0
    if (order !== 'conflict') return 304
  } else {
    if (vectorCovers(side, proposed)) return coversForGood(side, proposed) ? 304 : 0
    if (isVersion(proposed) && isVersion(side.revId) && sourceOf(proposed) === sourceOf(side.revId)) return 0
  }
  const vector = vectorOf(side)
  if (!isVersion(side.revId) || vector === undefined) return { status: 409, rev: side.revId }
  return { status: 409, rev: formatVector({ revId: side.revId, history: vector.versions.slice(1), merges: vector.merges }) }
}

/** The vector in a text that another peer sent; undefined when it is none. */
function vectorFrom(text: string): FullVector | undefined {
  try {
    return parseVector(text)
  } catch {
    return undefined
  }
}

const EMPTY_OBJECT = Buffer.from('{}')
