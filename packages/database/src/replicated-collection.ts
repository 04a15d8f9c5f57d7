import { asciiOf } from './bytes.ts'
import { isKithmeshError } from '@kithmesh/core'
import { readMany } from './read-many.ts'
import type { Wanted } from './read-many.ts'
import type { CollectionCore } from './collection-core.ts'
import { changeEntry, insertionContext } from './collection-core.ts'
import { conflictOf, graftWinner, revisionForPush } from './conflict-resolution.ts'
import type {
  ChangeEntry,
  ConflictResolution,
  ConflictedDocument,
  IncomingRevision,
  InsertOutcome,
  ReplicationCollection,
  RevisionForPush
} from './contracts/replication.ts'
import { DocumentFlag } from './contracts/storage.ts'
import type { StorageReader, StorageWriter, StoredDocument } from './contracts/storage.ts'
import { databaseErrors } from './errors.ts'
import { REMOTES_SPACE } from './internals.ts'
import { MAX_FOREIGN_DOCUMENT_ID, checkDocumentId } from './names.ts'
import { tombstoneIdFor } from './rev-digest.ts'
import { eraOf, generationOf, isHistory, isRevisionId } from './rev-id.ts'
import { decodeLinear } from './rev-tree-codec.ts'
import { RevisionTree } from './rev-tree.ts'
import { findRemote, remotePart } from './remote-list.ts'
import { isLift, planInsertion } from './revision-inserter.ts'

const EMPTY_OBJECT = Buffer.from('{}')

/** Ancestors named to a peer that offers a revision (cbmobile.md §6). */
const MAX_ANCESTORS = 10

export class ReplicatedCollection implements ReplicationCollection {
  readonly #core: CollectionCore

  constructor(core: CollectionCore) {
    this.#core = core
  }

  get scope(): string {
    return this.#core.scope
  }
  get name(): string {
    return this.#core.name
  }
  get lastSequence(): number {
    return this.#reader.lastSequence(this.#core.id)
  }

  changesSince(since: number, limit: number): ChangeEntry[] {
    return this.#reader.changesSince(this.#core.id, since, limit).map(changeEntry)
  }

  change(id: string): ChangeEntry | undefined {
    const found = this.#reader.getChange(this.#core.id, id)
    return found === undefined ? undefined : changeEntry(found)
  }

  onChanged(listener: () => void): () => void {
    return this.#core.shared.hub.listen(this.#core.id, listener)
  }

  revision(id: string, revId?: string): RevisionForPush | undefined {
    const stored = this.#reader.get(this.#core.id, id)
    if (stored === undefined) return undefined
    if (revId === undefined || revId === stored.revId) {
      const history = decodeLinear(stored.tree)
      if (history !== undefined) return plainRevision(stored, history)
    }
    return revisionForPush(stored, RevisionTree.fromStored(stored), revId ?? stored.revId)
  }

  revisions(entries: readonly Required<Wanted>[]): (RevisionForPush | undefined)[] {
    return readMany(this.#reader, this.#core.id, entries).map((stored) => {
      if (stored === undefined) return undefined
      const history = decodeLinear(stored.tree)
      return history === undefined ? revisionForPush(stored, RevisionTree.fromStored(stored), stored.revId) : plainRevision(stored, history)
    })
  }

  findMissing(entries: readonly { readonly id: string; readonly revId: string }[]): (readonly string[] | 'known')[] {
    return entries.map(({ id, revId }) => {
      const change = this.#reader.getChange(this.#core.id, id)
      if (change === undefined) return []
      if (change.revId === revId) return 'known'
      const stored = this.#reader.get(this.#core.id, id)
      if (stored === undefined) return []
      const ancestors = decodeLinear(stored.tree)
      if (ancestors !== undefined) return ancestors.includes(revId) ? 'known' : olderThan(revId, [stored.revId, ...ancestors])
      const tree = RevisionTree.fromStored(stored)
      if (tree.knows(revId)) return 'known'
      const all = new Set(tree.leaves().flatMap((leaf) => [leaf.revId, ...tree.ancestors(leaf.revId)]))
      return olderThan(
        revId,
        [...all].sort((a, b) => generationOf(b) - generationOf(a))
      )
    })
  }

  checkProposals(
    entries: readonly { readonly id: string; readonly revId: string; readonly parentRevId: string }[]
  ): (0 | 304 | { readonly status: 409; readonly rev: string })[] {
    return entries.map(({ id, revId, parentRevId }) => {
      const current = this.#reader.getChange(this.#core.id, id)
      if (current === undefined) return 0
      if (current.revId === revId) return 304
      if (current.revId === parentRevId) return 0
      if (parentRevId === '' && (current.flags & DocumentFlag.deleted) !== 0) return 0
      if (parentRevId !== '' && this.#isLiftOf(id, parentRevId)) return 0
      return { status: 409, rev: current.revId }
    })
  }

  insertRevisions(revisions: readonly IncomingRevision[]): InsertOutcome[] {
    if (revisions.length === 0) return []
    return this.#core.transact((writer) => revisions.map((revision) => this.#insert(writer, revision)))
  }

  conflicts(limit: number, afterId?: string): ConflictedDocument[] {
    return this.#core.conflictedIds(limit, afterId).flatMap((id) => this.conflict(id) ?? [])
  }

  conflict(id: string): ConflictedDocument | undefined {
    const stored = this.#reader.get(this.#core.id, id)
    return stored === undefined || (stored.flags & DocumentFlag.conflicted) === 0 ? undefined : conflictOf(stored)
  }

  resolveConflict(id: string, localRevId: string, remoteRevId: string, resolution: ConflictResolution): ChangeEntry {
    return this.#core.resolve(id, localRevId, remoteRevId, resolution)
  }

  closingTombstone(id: string, revId: string): string | undefined {
    const stored = this.#reader.get(this.#core.id, id)
    if (stored === undefined || decodeLinear(stored.tree) !== undefined) return undefined
    const tree = RevisionTree.fromStored(stored)
    const superseded = tree.has(revId) && !tree.openLeaves().some((leaf) => leaf.revId === revId || tree.isAncestor(revId, leaf.revId))
    return superseded ? tombstoneIdFor(revId) : undefined
  }

  graft(id: string, onto: string): boolean {
    return this.#core.transact((writer) => {
      const existing = writer.get(this.#core.id, id)
      if (existing === undefined || decodeLinear(existing.tree) !== undefined) return false
      const tree = RevisionTree.fromStored(existing)
      if (!graftWinner(tree, onto)) return false
      this.#core.store(writer, existing, { id, ...tree.toStored() })
      return true
    })
  }

  purge(ids: readonly string[]): void {
    this.#core.purge(ids)
  }

  remoteId(uid: string): number {
    return this.#remoteNumber(this.#reader, uid) ?? this.renewRemote(uid)
  }

  renewRemote(uid: string): number {
    return this.#core.shared.engine.transact((writer) => {
      const next = 1 + Math.max(0, ...writer.valuesIn(REMOTES_SPACE).map(({ value }) => Number(asciiOf(value))))
      writer.setValue(REMOTES_SPACE, this.#remoteKey(uid), Buffer.from(String(next), 'latin1'))
      return next
    })
  }

  #remoteKey(uid: string): string {
    return `${this.#core.id} ${uid}`
  }

  #remoteNumber(reader: StorageReader, uid: string): number | undefined {
    const value = reader.getValue(REMOTES_SPACE, this.#remoteKey(uid))
    return value === undefined ? undefined : Number(asciiOf(value))
  }

  remoteAncestor(remote: number, id: string): string | undefined {
    return this.remoteAncestors(remote, [{ id }])[0]
  }

  remoteAncestors(remote: number, entries: readonly Wanted[]): (string | undefined)[] {
    return readMany(this.#reader, this.#core.id, entries).map((stored) =>
      stored === undefined ? undefined : findRemote(remotePart(stored.tree), remote, stored.revId)
    )
  }

  setRemoteAncestors(remote: number, entries: readonly (Wanted & { readonly revId: string })[]): void {
    if (entries.length === 0) return
    this.#core.shared.engine.transact(
      (writer) => {
        readMany(writer, this.#core.id, entries).forEach((existing, index) => {
          const revId = entries[index]?.revId
          if (existing !== undefined && revId !== undefined) this.#core.noteRemote(writer, existing, remote, revId)
        })
      },
      { relaxed: true }
    )
  }

  /** Whether the current revision only lifts the given one, so that what descends from that may replace it. */
  #isLiftOf(id: string, parent: string): boolean {
    const stored = this.#reader.get(this.#core.id, id)
    if (stored === undefined || eraOf(stored.revId) === 0) return false
    const ancestors = decodeLinear(stored.tree) ?? RevisionTree.fromStored(stored).ancestors(stored.revId)
    return ancestors[0] === parent && isLift(stored.revId, parent, (stored.flags & DocumentFlag.deleted) !== 0, stored.body)
  }

  get #reader(): StorageReader {
    return this.#core.shared.engine.reader
  }

  #insert(writer: StorageWriter, revision: IncomingRevision): InsertOutcome {
    const { id, revId, history, remote } = revision
    try {
      checkRevision(revision, this.#core.shared.maxDocumentSize)
    } catch (error) {
      if (isKithmeshError(error)) return { status: 'failed', error }
      throw error
    }
    const existing = writer.get(this.#core.id, id)
    const plan = planInsertion(
      existing,
      history.length === 0 ? revision : { ...revision, history: [...history] },
      insertionContext(existing, remote)
    )
    if (plan.status === 'conflict') return plan
    if (plan.status === 'known') {
      if (remote !== undefined && existing !== undefined) this.#core.noteRemote(writer, existing, remote, revId)
      return plan
    }
    const sequence = this.#core.store(writer, existing, plan.document, remote === undefined ? undefined : { remote, revId })
    return { status: plan.status, sequence, ...(plan.successor !== undefined && { successor: plan.successor }) }
  }
}

function plainRevision(stored: StoredDocument, history: readonly string[]): RevisionForPush {
  const { id, revId, sequence, flags, body } = stored
  return {
    id,
    revId,
    sequence,
    deleted: (flags & DocumentFlag.deleted) !== 0,
    body: body.length === 0 ? EMPTY_OBJECT : body,
    history,
    hasBlobs: (flags & DocumentFlag.hasBlobs) !== 0
  }
}

function olderThan(revId: string, candidates: readonly string[]): string[] {
  const generation = generationOf(revId)
  return candidates.filter((candidate) => generationOf(candidate) < generation).slice(0, MAX_ANCESTORS)
}

function checkRevision({ id, revId, history, body }: IncomingRevision, maxSize: number): void {
  checkDocumentId(id, MAX_FOREIGN_DOCUMENT_ID)
  if (!isRevisionId(revId) || !isHistory(revId, history)) {
    throw databaseErrors.create(
      'ERR_DB_REVISION_ID',
      `Revision ${JSON.stringify(revId.slice(0, 80))} of ${JSON.stringify(id)} or its history is malformed`
    )
  }
  if (body.length > maxSize) {
    throw databaseErrors.create(
      'ERR_DB_TOO_LARGE',
      `The document ${JSON.stringify(id)} has ${body.length} bytes; the limit is ${maxSize}`,
      { details: { size: body.length, limit: maxSize } }
    )
  }
}
