import type { ChangeEntry, ConflictResolution, RevisionForPush } from './contracts/replication.ts'
import { DocumentFlag } from './contracts/storage.ts'
import type { StorageWriter, StoredChange, StoredDocument } from './contracts/storage.ts'
import { databaseErrors } from './errors.ts'
import { conflictSpace } from './internals.ts'
import type { DatabaseInternals } from './internals.ts'
import {
  allRemoteRevisions,
  findRemote,
  isKnownElsewhere,
  historyPart,
  rebaseRemotes,
  remotePart,
  setRemote,
  withRemotes
} from './remote-list.ts'
import type { InsertionContext, StorableDocument } from './revision-model.ts'

/** What applications' and replicators' views of a collection have in common. */
export class CollectionCore {
  readonly shared: DatabaseInternals
  readonly id: number
  readonly scope: string
  readonly name: string
  readonly #conflicts: string

  constructor(shared: DatabaseInternals, id: number, scope: string, name: string) {
    this.shared = shared
    this.id = id
    this.scope = scope
    this.name = name
    this.#conflicts = conflictSpace(id)
  }

  /** Runs `work` in a transaction and tells the listeners. */
  transact<T>(work: (writer: StorageWriter) => T): T {
    let result: T
    try {
      result = this.shared.engine.transact(this.shared.model.transaction(work))
    } catch (error) {
      this.shared.failed(error)
      throw error
    }
    this.shared.hub.committed(this.id)
    return result
  }

  /**
   * Stores a document, carries over what is known about remotes and keeps the list of conflicts right.
   * @param document its `tree` is the history alone.
   * @param known a remote that is known to have `revId`.
   * @param received the winner came from a peer that is not noted by name.
   * @param rival the side of a conflict that ends with this.
   */
  store(
    writer: StorageWriter,
    existing: StoredDocument | undefined,
    document: StorableDocument,
    known?: { readonly remote: number; readonly revId: string },
    received = false,
    rival?: RevisionForPush
  ): number {
    const conflicted = document.flags & DocumentFlag.conflicted
    if (conflicted !== ((existing?.flags ?? 0) & DocumentFlag.conflicted)) {
      writer.setValue(this.#conflicts, document.id, conflicted === 0 ? undefined : new Uint8Array(0))
    }
    let remotes = existing === undefined ? '' : rebaseRemotes(remotePart(existing.tree), existing.revId, document.revId)
    if (known !== undefined) remotes = setRemote(remotes, known.remote, known.revId, document.revId)
    const bases = existing === undefined ? 0 : this.shared.bases.replace(writer, this.id, existing, document, remotes, rival)
    const flags = (document.flags & ~KEPT_HERE) | receivedFlag(existing, document, received) | bases
    if (remotes === '' && flags === document.flags) return writer.put(this.id, document, existing)
    return writer.put(this.id, { ...document, flags, tree: withRemotes(remotes, document.tree) }, existing)
  }

  /** Stores a document without looking for it first; undefined, and nothing done, when it is there already or the engine cannot tell. */
  storeNew(
    writer: StorageWriter,
    document: StorableDocument,
    known?: { readonly remote: number; readonly revId: string },
    received = false
  ): number | undefined {
    const remotes = known === undefined ? '' : setRemote('', known.remote, known.revId, document.revId)
    const flags = (document.flags & ~KEPT_HERE) | receivedFlag(undefined, document, received)
    if (remotes === '' && flags === document.flags) return writer.putNew?.(this.id, document)
    const { id, revId, body } = document
    return writer.putNew?.(this.id, { id, revId, flags, body, tree: withRemotes(remotes, document.tree) })
  }

  /** Notes that a remote has a revision of a document that stays as it is. */
  noteRemote(writer: StorageWriter, existing: StoredDocument, remote: number, revId: string): void {
    const before = remotePart(existing.tree)
    const after = setRemote(before, remote, revId, existing.revId)
    if (after === before) return
    const flags = (existing.flags & ~DocumentFlag.hasBases) | this.shared.bases.prune(writer, this.id, existing, after)
    writer.update(this.id, existing.id, { flags, tree: withRemotes(after, historyPart(existing.tree)) })
  }

  /** Lets go of every trace of the documents, unless `mayGo` says otherwise about what they are now. Returns what there was. */
  purge(ids: Iterable<string>, mayGo?: (change: StoredChange) => boolean): StoredChange[] {
    return this.transact((writer) => {
      const purged: StoredChange[] = []
      for (const id of ids) {
        const change = writer.getChange(this.id, id)
        if (change === undefined || mayGo?.(change) === false) continue
        this.shared.bases.drop(writer, this.id, change)
        writer.purge(this.id, id)
        writer.setValue(this.#conflicts, id, undefined)
        purged.push(change)
      }
      return purged
    })
  }

  conflictedIds(limit: number, afterId: string | undefined): string[] {
    const ids = this.shared.engine.reader
      .valuesIn(this.#conflicts)
      .map(({ key }) => key)
      .sort()
    return ids.filter((id) => afterId === undefined || id > afterId).slice(0, limit)
  }

  /** @throws ERR_DB_CONFLICT, ERR_DB_NO_DOCUMENT */
  resolve(id: string, localRevId: string, remoteRevId: string, resolution: ConflictResolution): ChangeEntry {
    return this.transact((writer) => {
      const existing = writer.get(this.id, id)
      if (existing === undefined) throw databaseErrors.create('ERR_DB_NO_DOCUMENT', `There is no document ${JSON.stringify(id)}`)
      const { model } = this.shared
      // The branch of a tree ends with its own revision; a vector goes on, and the peer takes a delta to the version that it has.
      const rival = model.versioning === 'version-vectors' ? model.conflictOf(existing)?.remote : undefined
      const outcome = model.resolve(existing, localRevId, remoteRevId, resolution, insertionContext(existing))
      this.store(writer, existing, outcome, undefined, false, rival)
      return changeEntry(writer.getChange(this.id, id) as StoredChange)
    })
  }
}

/** Flags that are decided here and not by the revision model. */
const KEPT_HERE = DocumentFlag.received | DocumentFlag.hasBases

function receivedFlag(existing: StoredDocument | undefined, document: StorableDocument, received: boolean): number {
  if (received) return DocumentFlag.received
  return existing?.revId === document.revId ? existing.flags & DocumentFlag.received : 0
}

/** What decisions about one document may ask; nothing is read before they do. */
export function insertionContext(existing: StoredDocument | undefined, remote?: number): InsertionContext {
  const remotes = existing === undefined ? '' : remotePart(existing.tree)
  const winner = existing?.revId ?? ''
  return {
    remoteAncestor: () => (remote === undefined ? undefined : findRemote(remotes, remote, winner)),
    remoteAncestors: () => allRemoteRevisions(remotes, winner)
  }
}

/** A stored change as replicators and applications see it. @param remote whose revision is to be told along. */
export function changeEntry({ sequence, id, revId, flags, bodySize, tree }: StoredChange, remote?: number): ChangeEntry {
  const deleted = (flags & DocumentFlag.deleted) !== 0
  const conflicted = (flags & DocumentFlag.conflicted) !== 0
  if (remote === undefined) return { sequence, id, revId, deleted, conflicted, bodySize }
  const remotes = remotePart(tree)
  const remoteRevId = findRemote(remotes, remote, revId) ?? ''
  const elsewhere = (flags & DocumentFlag.received) !== 0 || isKnownElsewhere(remotes)
  return { sequence, id, revId, deleted, conflicted, bodySize, remoteRevId, elsewhere }
}
