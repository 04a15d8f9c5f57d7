import { closeSync, fsyncSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { StorageEngine, StorageReader, StorageWriter, StoredChange, StoredDocument, TreePrefix } from '../contracts/storage.ts'
import { databaseErrors } from '../errors.ts'
import type { SqliteConnection, SqliteRow, SqliteStatement } from './driver.ts'
import { AbsentIds } from './absent-ids.ts'
import { CollectionCounters } from './collection-counters.ts'
import { mapSqliteError } from './error-mapping.ts'
import { createCollectionSql, dropCollectionSql, IdIndex, lostIds } from './id-index.ts'
import { SQLITE_FILE } from './schema.ts'
import type { Durability } from './schema.ts'
import { bytesOrNull, CollectionStatements, KNOWN_NEW, toChange, toDocument } from './statements.ts'
import { storedText, textOf } from './text.ts'
import { WalRoom } from './wal-room.ts'

/**
 * An open store. Reader and writer in one: SQLite's own transaction decides what is seen.
 *
 * One file because it is one contract, a short method for each of its operations; the statements, counters and indexes beneath have files of their own.
 */
export class SqliteStore implements StorageEngine, StorageWriter {
  readonly #connection: SqliteConnection
  readonly #directory: string
  readonly #durability: Durability
  readonly #collections = new Map<number, CollectionStatements>()
  readonly #counters: CollectionCounters
  readonly #splitFrom: number
  readonly #idIndexes = new Map<number, IdIndex>()
  readonly #absent = new AbsentIds(() => this.dataVersion())
  readonly #logRoom: WalRoom | undefined
  readonly #begin: SqliteStatement
  readonly #commit: SqliteStatement
  readonly #rollback: SqliteStatement
  readonly #dataVersion: SqliteStatement
  readonly #listCollections: SqliteStatement
  readonly #getValue: SqliteStatement
  readonly #setValue: SqliteStatement
  readonly #deleteValue: SqliteStatement
  readonly #valuesIn: SqliteStatement
  #inTransaction = false
  #closed = false

  constructor(connection: SqliteConnection, directory: string, durability: Durability, splitFrom: number) {
    this.#splitFrom = splitFrom
    this.#durability = durability
    this.#connection = connection
    this.#directory = directory
    this.#counters = new CollectionCounters(connection)
    if (durability === 'full' && directory !== '') this.#logRoom = new WalRoom(join(directory, `${SQLITE_FILE}-wal`))
    const prepare = (sql: string): SqliteStatement => connection.prepare(sql)
    this.#begin = prepare('BEGIN IMMEDIATE')
    this.#commit = prepare('COMMIT')
    this.#rollback = prepare('ROLLBACK')
    this.#dataVersion = prepare('PRAGMA data_version')
    this.#listCollections = prepare('SELECT id, scope, name FROM collections ORDER BY id')
    this.#getValue = prepare('SELECT value FROM kv WHERE space = ? AND key = ?')
    this.#setValue = prepare(
      "INSERT INTO kv (space, key, value) VALUES (?, ?, coalesce(?, x'')) ON CONFLICT (space, key) DO UPDATE SET value = excluded.value"
    )
    this.#deleteValue = prepare('DELETE FROM kv WHERE space = ? AND key = ?')
    this.#valuesIn = prepare('SELECT key, value FROM kv WHERE space = ? ORDER BY key')
  }

  get reader(): StorageReader {
    return this
  }

  transact<T>(work: (writer: StorageWriter) => T, options: { readonly relaxed?: boolean } = {}): T {
    if (this.#inTransaction) throw new TypeError('Transactions cannot be nested')
    if (options.relaxed !== true || this.#durability !== 'full') return this.#transact(work)
    this.#guard(() => this.#connection.exec('PRAGMA synchronous = NORMAL'))
    try {
      return this.#transact(work)
    } finally {
      this.#guard(() => this.#connection.exec('PRAGMA synchronous = FULL'))
    }
  }

  #transact<T>(work: (writer: StorageWriter) => T): T {
    return this.#guard(() => {
      this.#begin.run()
      this.#inTransaction = true
      this.#logRoom?.began()
      this.#counters.begin()
      try {
        this.#absent.began()
        const result = work(this)
        if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function')
          throw new TypeError('The work of a transaction must not be asynchronous')
        for (const [collection, { stored, live }] of this.#counters.stored()) this.#idIndex(collection).settle(stored, live)
        this.#counters.write()
        this.#commit.run()
        this.#logRoom?.committed()
        return result
      } catch (error) {
        // What they know of the tables may be undone.
        this.#idIndexes.clear()
        this.#absent.forget()
        try {
          this.#rollback.run()
        } catch {
          /* SQLite has rolled back already after such errors */
        }
        throw error
      } finally {
        this.#inTransaction = false
        this.#counters.end()
      }
    })
  }

  dataVersion(): number {
    return this.#guard(() => Number((this.#dataVersion.get() as SqliteRow).data_version))
  }

  compact(): void {
    this.#guard(() => {
      this.#connection.exec('VACUUM')
      this.#connection.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    })
  }

  checkIntegrity(): void {
    const problems = this.#guard(() => this.#connection.prepare('PRAGMA integrity_check(20)').all() as SqliteRow[]).map((row) =>
      String(row.integrity_check)
    )
    for (const { id } of this.collections()) {
      const lost = this.#guard(() => lostIds(this.#connection, id))
      if (lost > 0) problems.push(`${lost} documents of collection ${id} are not found by their ids`)
    }
    if (problems.length === 1 && problems[0] === 'ok') return
    throw databaseErrors.create(
      'ERR_DB_UNREADABLE',
      `The store in ${this.#directory} is damaged: ${problems.find((problem) => problem !== 'ok') ?? 'unknown'}`,
      {
        details: { problems }
      }
    )
  }

  copyTo(directory: string): void {
    this.#guard(() => {
      const file = join(directory, SQLITE_FILE)
      this.#connection.prepare('VACUUM INTO ?').run(file)
      for (const path of [file, directory]) {
        const handle = openSync(path, 'r')
        try {
          fsyncSync(handle)
        } finally {
          closeSync(handle)
        }
      }
    })
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#logRoom?.close()
    this.#guard(() => this.#connection.close())
  }

  collections(): { id: number; scope: string; name: string }[] {
    return this.#guard(() =>
      (this.#listCollections.all() as { id: number; scope: string; name: string }[]).map(({ id, scope, name }) => ({ id, scope, name }))
    )
  }

  get(collection: number, id: string): StoredDocument | undefined {
    return this.#guard(() => {
      const row = this.#statements(collection).get.get(storedText(id))
      return row === undefined ? undefined : toDocument(row)
    })
  }

  getChange(collection: number, id: string): StoredChange | undefined {
    return this.#guard(() => {
      const row = this.#statements(collection).getChange.get(storedText(id))
      if (row !== undefined) return toChange(row)
      if (this.#idIndexes.get(collection)?.isSplit === true) this.#absent.note(collection, id)
      return undefined
    })
  }

  changesSince(collection: number, since: number, limit: number): StoredChange[] {
    return this.#guard(() => this.#statements(collection).changesSince.all(since, limit).map(toChange))
  }

  documentsSince(collection: number, since: number, limit: number): StoredDocument[] {
    return this.#guard(() => this.#statements(collection).documentsSince.all(since, limit).map(toDocument))
  }

  documentsAfter(collection: number, after: string, limit: number): StoredDocument[] {
    return this.#guard(() => this.#statements(collection).documentsAfter.all(storedText(after), limit).map(toDocument))
  }

  lastSequence(collection: number): number {
    return this.#guard(() => this.#counters.of(collection).lastSequence)
  }

  count(collection: number): number {
    return this.#guard(() => this.#counters.of(collection).live)
  }

  getValue(space: string, key: string): Uint8Array | undefined {
    return this.#guard(() => (this.#getValue.get(space, storedText(key)) as { value: Uint8Array } | undefined)?.value)
  }

  valuesIn(space: string): { key: string; value: Uint8Array }[] {
    return this.#guard(() =>
      (this.#valuesIn.all(space) as { key: string; value: Uint8Array }[]).map(({ key, value }) => ({ key: textOf(key), value }))
    )
  }

  createCollection(scope: string, name: string): number {
    const existing = this.collections().find((collection) => collection.scope === scope && collection.name === name)
    if (existing !== undefined) return existing.id
    this.#connection.prepare('INSERT INTO collections (scope, name) VALUES (?, ?)').run(scope, name)
    const { id } = this.#connection.prepare('SELECT id FROM collections WHERE scope = ? AND name = ?').get(scope, name) as { id: number }
    this.#connection.exec(createCollectionSql(id))
    return id
  }

  dropCollection(collection: number): void {
    this.#counters.of(collection)
    this.#collections.delete(collection)
    this.#counters.forget(collection)
    this.#idIndexes.delete(collection)
    this.#connection.exec(dropCollectionSql(Number(collection)))
    this.#connection.prepare('DELETE FROM collections WHERE id = ?').run(collection)
  }

  put(collection: number, document: Omit<StoredDocument, 'sequence'>, existing?: StoredDocument): number {
    const sequence = existing === undefined ? this.putNew(collection, document) : this.#replace(collection, document, existing)
    if (sequence !== undefined) return sequence
    const old = this.#statements(collection).remove.get(storedText(document.id)) as { flags: number } | undefined
    if (old !== undefined && (old.flags & 1) === 0) this.#counters.of(collection).live -= 1
    return this.putNew(collection, document) as number
  }

  putNew(collection: number, { id, revId, flags, tree, body }: Omit<StoredDocument, 'sequence'>): number | undefined {
    const { insert } = this.#statements(collection)
    const stored = this.#absent.take(collection, id) ? flags | KNOWN_NEW : flags
    return this.#storeNext(collection, 1 - (flags & 1), (next) =>
      insert.run(next, storedText(id), revId, stored, bytesOrNull(tree), bytesOrNull(body))
    )
  }

  /** Undefined, and nothing done, when the document is not there as described. */
  #replace(collection: number, document: Omit<StoredDocument, 'sequence'>, existing: StoredDocument): number | undefined {
    const { replace } = this.#statements(collection)
    const { id, revId, flags, tree, body } = document
    return this.#storeNext(collection, (existing.flags & 1) - (flags & 1), (next) =>
      replace.run(next, revId, flags, bytesOrNull(tree), bytesOrNull(body), existing.sequence, storedText(id))
    )
  }

  /** Stores something under the next sequence, of which there are `live` more documents then; undefined when it changed nothing. */
  #storeNext(collection: number, live: number, run: (next: number) => { readonly changes: number | bigint }): number | undefined {
    const counters = this.#counters.of(collection)
    const next = counters.lastSequence + 1
    if (Number(run(next).changes) === 0) return undefined
    counters.lastSequence = next
    counters.stored++
    counters.live += live
    counters.changed = true
    return next
  }

  update(collection: number, id: string, change: { readonly flags: number; readonly tree: Uint8Array }): void {
    const statements = this.#statements(collection)
    const tree = bytesOrNull(change.tree)
    const stored = storedText(id)
    if (Number(statements.update.run(change.flags, tree, stored, change.flags & 1).changes) > 0) return
    if (Number(statements.updateDeleted.run(change.flags, tree, stored).changes) === 0) return
    const counters = this.#counters.of(collection)
    counters.live += (change.flags & 1) === 0 ? 1 : -1
    counters.changed = true
  }

  prefixTree(collection: number, { id, sequence, revId, prefix, unlessFlags }: TreePrefix): boolean {
    return Number(this.#statements(collection).prefixTree.run(prefix, sequence, storedText(id), revId, unlessFlags).changes) > 0
  }

  purge(collection: number, id: string): boolean {
    const old = this.#statements(collection).remove.get(storedText(id)) as { flags: number } | undefined
    if (old === undefined) return false
    const counters = this.#counters.of(collection)
    if ((old.flags & 1) === 0) counters.live -= 1
    counters.changed = true
    return true
  }

  setValue(space: string, key: string, value: Uint8Array | undefined): void {
    if (value === undefined) this.#deleteValue.run(space, storedText(key))
    else this.#setValue.run(space, storedText(key), bytesOrNull(value))
  }

  #idIndex(collection: number): IdIndex {
    let index = this.#idIndexes.get(collection)
    if (index === undefined) {
      index = new IdIndex(this.#connection, collection, this.#splitFrom)
      this.#idIndexes.set(collection, index)
    }
    return index
  }

  #statements(collection: number): CollectionStatements {
    let statements = this.#collections.get(collection)
    if (statements === undefined) {
      statements = new CollectionStatements(this.#connection, Number(collection))
      this.#collections.set(collection, statements)
    }
    return statements
  }

  #guard<T>(run: () => T): T {
    try {
      return run()
    } catch (error) {
      throw mapSqliteError(error, this.#directory)
    }
  }
}
