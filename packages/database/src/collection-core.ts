import { asciiOf } from './bytes.ts'
import type { ChangeEntry } from './contracts/replication.ts'
import { DocumentFlag } from './contracts/storage.ts'
import type { StorageWriter, StoredChange, StoredDocument } from './contracts/storage.ts'
import { resolveTree } from './conflict-resolution.ts'
import type { ConflictResolution } from './contracts/replication.ts'
import { databaseErrors } from './errors.ts'
import { REMOTES_SPACE, conflictSpace, remoteSpace } from './internals.ts'
import type { DatabaseInternals } from './internals.ts'
import { pruneTree } from './revision-inserter.ts'
import type { InsertionContext, StorableDocument } from './revision-inserter.ts'

/** What applications' and replicators' views of a collection have in common. */
export class CollectionCore {
  readonly shared: DatabaseInternals
  readonly id: number
  readonly scope: string
  readonly name: string
  readonly #conflicts: string

  constructor (shared: DatabaseInternals, id: number, scope: string, name: string) {
    this.shared = shared
    this.id = id
    this.scope = scope
    this.name = name
    this.#conflicts = conflictSpace(id)
  }

  /** Runs `work` in a transaction and tells the listeners. */
  transact<T> (work: (writer: StorageWriter) => T): T {
    const result = this.shared.engine.transact(work)
    this.shared.hub.committed(this.id)
    return result
  }

  /** Stores a document and keeps the list of conflicts right. */
  store (writer: StorageWriter, existing: StoredDocument | undefined, document: StorableDocument): number {
    const conflicted = document.flags & DocumentFlag.conflicted
    if (conflicted !== ((existing?.flags ?? 0) & DocumentFlag.conflicted)) {
      writer.setValue(this.#conflicts, document.id, conflicted === 0 ? undefined : new Uint8Array(0))
    }
    return writer.put(this.id, document)
  }

  /** Lets go of every trace of the documents, also of what is known about remotes. Returns how many there were. */
  purge (ids: Iterable<string>): number {
    return this.transact((writer) => {
      const remotes = this.#remotes(writer)
      let purged = 0
      for (const id of ids) {
        if (writer.purge(this.id, id)) purged += 1
        writer.setValue(this.#conflicts, id, undefined)
        for (const remote of remotes) writer.setValue(remoteSpace(this.id, remote), id, undefined)
      }
      return purged
    })
  }

  conflictedIds (limit: number, afterId: string | undefined): string[] {
    const ids = this.shared.engine.reader.valuesIn(this.#conflicts).map(({ key }) => key).sort()
    return ids.filter((id) => afterId === undefined || id > afterId).slice(0, limit)
  }

  /** @throws ERR_DB_CONFLICT, ERR_DB_NO_DOCUMENT */
  resolve (id: string, localRevId: string, remoteRevId: string, resolution: ConflictResolution): ChangeEntry {
    return this.transact((writer) => {
      const existing = writer.get(this.id, id)
      if (existing === undefined) throw databaseErrors.create('ERR_DB_NO_DOCUMENT', `There is no document ${JSON.stringify(id)}`)
      const tree = resolveTree(existing, localRevId, remoteRevId, resolution)
      pruneTree(tree, this.context(writer, id))
      this.store(writer, existing, { id, ...tree.toStored() })
      return changeEntry(writer.getChange(this.id, id) as StoredChange)
    })
  }

  /** What decisions about one document may ask; nothing is read before they do. */
  context (reader: Pick<StorageWriter, 'getValue' | 'valuesIn'>, id: string, remote?: number): InsertionContext {
    const known = (number: number): string | undefined => {
      const value = reader.getValue(remoteSpace(this.id, number), id)
      return value === undefined ? undefined : asciiOf(value)
    }
    return {
      remoteAncestor: () => remote === undefined ? undefined : known(remote),
      remoteAncestors: () => new Set(this.#remotes(reader).map(known).filter((revId) => revId !== undefined))
    }
  }

  #remotes (reader: Pick<StorageWriter, 'valuesIn'>): number[] {
    return reader.valuesIn(REMOTES_SPACE).map(({ value }) => Number(asciiOf(value)))
  }
}

export function changeEntry ({ sequence, id, revId, flags, bodySize }: StoredChange): ChangeEntry {
  return { sequence, id, revId, deleted: (flags & DocumentFlag.deleted) !== 0, conflicted: (flags & DocumentFlag.conflicted) !== 0, bodySize }
}
