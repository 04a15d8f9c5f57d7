import { asciiOf } from './bytes.ts'
import { isKithmeshError } from '@kithmesh/core/plugin'
import { readMany } from './read-many.ts'
import type { Wanted } from './read-many.ts'
import type { CollectionCore } from './collection-core.ts'
import { changeEntry, insertionContext } from './collection-core.ts'
import type {
  ChangeEntry,
  ConflictResolution,
  ConflictedDocument,
  DeltaPeer,
  IncomingRevision,
  InsertOutcome,
  ReplicationCollection,
  RevisionForPush
} from './contracts/replication.ts'
import { DocumentFlag } from './contracts/storage.ts'
import type { StorageReader, StorageWriter, StoredChange, StoredDocument } from './contracts/storage.ts'
import { databaseErrors } from './errors.ts'
import { REMOTES_SPACE } from './internals.ts'
import { MAX_FOREIGN_DOCUMENT_ID, checkDocumentId } from './names.ts'
import { findRemote, firstRemote, remotePart } from './remote-list.ts'
import type { ProposalAnswer, RevisionModel } from './revision-model.ts'

export class ReplicatedCollection implements ReplicationCollection {
  readonly #core: CollectionCore
  /** The last revision with a history was of a document that was not here; so will be the next, as a rule. */
  #expectsNew = false

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

  changesSince(since: number, limit: number, remote?: number): ChangeEntry[] {
    const changes = this.#reader.changesSince(this.#core.id, since, limit)
    return changes.map((change) => changeEntry(change, remote))
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
    return stored === undefined ? undefined : this.#model.revision(stored, revId)
  }

  revisions(entries: readonly Required<Wanted>[]): (RevisionForPush | undefined)[] {
    return readMany(this.#reader, this.#core.id, entries).map((stored) => (stored === undefined ? undefined : this.#model.revision(stored)))
  }

  bodyOf(id: string, revId: string): Uint8Array | undefined {
    const stored = this.#reader.get(this.#core.id, id)
    if (stored === undefined) return undefined
    if (stored.revId === revId) return (stored.flags & DocumentFlag.deleted) === 0 ? stored.body : undefined
    const kept = this.#core.shared.bases.find(stored, this.#core.id, revId)
    if (kept !== undefined || (stored.flags & DocumentFlag.conflicted) === 0) return kept
    const revision = this.revision(id, revId)
    return revision?.deleted === false ? revision.body : undefined
  }

  keepBases(peer: DeltaPeer): void {
    this.#core.shared.bases.learn(this.#core.id, peer)
  }

  findMissing(entries: readonly { readonly id: string; readonly revId: string }[], remote?: number): (readonly string[] | 'known')[] {
    return entries.map(({ id, revId }) => {
      const change = this.#reader.getChange(this.#core.id, id)
      if (change === undefined) return []
      if (change.revId === revId) return 'known'
      const stored = this.#reader.get(this.#core.id, id)
      if (stored === undefined) return []
      const missing = this.#model.missing(stored, revId)
      const base = missing === 'known' ? undefined : this.#baseFor(stored, remote)
      return base === undefined || missing.includes(base) ? missing : [...missing, base]
    })
  }

  checkProposals(entries: readonly { readonly id: string; readonly revId: string; readonly parentRevId: string }[]): ProposalAnswer[] {
    return entries.map(({ id, revId, parentRevId }) => {
      const current = this.#reader.getChange(this.#core.id, id)
      if (current === undefined) return 0
      return this.#model.checkProposal(current, revId, parentRevId, () => this.#reader.get(this.#core.id, id))
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
    return stored === undefined || (stored.flags & DocumentFlag.conflicted) === 0 ? undefined : this.#model.conflictOf(stored)
  }

  resolveConflict(id: string, localRevId: string, remoteRevId: string, resolution: ConflictResolution): ChangeEntry {
    return this.#core.resolve(id, localRevId, remoteRevId, resolution)
  }

  closingTombstone(id: string, revId: string): string | undefined {
    const stored = this.#reader.get(this.#core.id, id)
    return stored === undefined ? undefined : this.#model.closingTombstone(stored, revId)
  }

  graft(id: string, onto: string): boolean {
    return this.#core.transact((writer) => {
      const existing = writer.get(this.#core.id, id)
      const grafted = existing === undefined ? undefined : this.#model.graft(existing, onto)
      if (grafted === undefined) return false
      this.#core.store(writer, existing, grafted)
      return true
    })
  }

  purge(ids: readonly string[], mayGo?: (entry: ChangeEntry) => boolean, remote?: number): ChangeEntry[] {
    const asked = mayGo === undefined ? undefined : (change: StoredChange): boolean => mayGo(changeEntry(change, remote))
    return this.#core.purge(ids, asked).map((change) => changeEntry(change, remote))
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
        const prefix = firstRemote(remote)
        const rest = entries.filter((entry) => !this.#noteFirst(writer, prefix, entry))
        readMany(writer, this.#core.id, rest).forEach((existing, index) => {
          const revId = rest[index]?.revId
          if (existing !== undefined && revId !== undefined) this.#core.noteRemote(writer, existing, remote, revId)
        })
      },
      { relaxed: true }
    )
  }

  /** Of a document of which nothing was noted before, without reading it. False when there is more to it. */
  #noteFirst(writer: StorageWriter, prefix: Uint8Array, { id, sequence, revId }: Wanted & { readonly revId: string }): boolean {
    if (sequence === undefined || writer.prefixTree === undefined) return false
    return writer.prefixTree(this.#core.id, { id, sequence, revId, prefix, unlessFlags: DocumentFlag.hasBases })
  }

  /** What a delta for a document in conflict can be made from: in vectors, the peer is told no ancestors. */
  #baseFor(stored: StoredDocument, remote: number | undefined): string | undefined {
    if (remote === undefined || (stored.flags & DocumentFlag.hasBases) === 0 || this.#model.versioning === 'rev-trees') return undefined
    const theirs = findRemote(remotePart(stored.tree), remote, stored.revId)
    return theirs !== undefined && this.#core.shared.bases.find(stored, this.#core.id, theirs) !== undefined ? theirs : undefined
  }

  get #reader(): StorageReader {
    return this.#core.shared.engine.reader
  }

  get #model(): RevisionModel {
    return this.#core.shared.model
  }

  #insert(writer: StorageWriter, revision: IncomingRevision): InsertOutcome {
    const { id, revId, history, remote } = revision
    try {
      checkRevision(revision, this.#core.shared.maxDocumentSize)
      this.#model.check(revision)
    } catch (error) {
      if (isKithmeshError(error)) return { status: 'failed', error }
      throw error
    }
    const known = remote === undefined ? undefined : { remote, revId }
    // A first revision is of a new document, as a rule: it is stored without being looked for, and looked for only where that fails.
    if (history.length === 0 || this.#expectsNew) {
      const first = this.#model.planInsertion(undefined, revision, insertionContext(undefined, remote))
      const sequence =
        first.status === 'stored'
          ? this.#core.storeNew(writer, first.document, known, remote === undefined && first.document.revId === revId)
          : undefined
      if (sequence !== undefined) return { status: 'stored', sequence }
    }
    const existing = writer.get(this.#core.id, id)
    if (history.length > 0) this.#expectsNew = existing === undefined
    const plan = this.#model.planInsertion(
      existing,
      history.length === 0 ? revision : { ...revision, history: [...history] },
      insertionContext(existing, remote)
    )
    if (plan.status === 'conflict') return plan
    if (plan.status === 'known') {
      if (remote !== undefined && existing !== undefined) this.#core.noteRemote(writer, existing, remote, revId)
      return plan
    }
    const sequence = this.#core.store(writer, existing, plan.document, known, remote === undefined && plan.document.revId === revId)
    return { status: plan.status, sequence, ...(plan.successor !== undefined && { successor: plan.successor }) }
  }
}

function checkRevision({ id, body }: IncomingRevision, maxSize: number): void {
  checkDocumentId(id, MAX_FOREIGN_DOCUMENT_ID)
  if (body.length > maxSize) {
    throw databaseErrors.create(
      'ERR_DB_TOO_LARGE',
      `The document ${JSON.stringify(id)} has ${body.length} bytes; the limit is ${maxSize}`,
      { details: { size: body.length, limit: maxSize } }
    )
  }
}
