import { databaseErrors } from '../errors.ts'
import type { SqliteConnection, SqliteStatement } from './driver.ts'

/** What is kept of a collection besides its documents. */
export interface Counters {
  lastSequence: number
  /** Documents that are not deleted. */
  live: number
  /** Documents stored in this transaction. */
  stored: number
  /** To be set with every change. */
  changed: boolean
}

/** The counters of collections: read once per transaction, changed in memory, and written back before its commit. */
export class CollectionCounters {
  readonly #read: SqliteStatement
  readonly #write: SqliteStatement
  readonly #byCollection = new Map<number, Counters>()
  #inTransaction = false

  constructor(connection: SqliteConnection) {
    this.#read = connection.prepare('SELECT last_seq, live FROM collections WHERE id = ?')
    this.#write = connection.prepare('UPDATE collections SET last_seq = ?, live = ? WHERE id = ?')
  }

  begin(): void {
    this.#inTransaction = true
    this.#byCollection.clear()
  }

  /** Collections in which this transaction has stored documents, with how many. */
  *stored(): Generator<readonly [collection: number, counters: Counters]> {
    for (const entry of this.#byCollection) if (entry[1].stored > 0) yield entry
  }

  /** Writes back what changed. */
  write(): void {
    for (const [id, { lastSequence, live, changed }] of this.#byCollection) {
      if (changed) this.#write.run(lastSequence, live, id)
    }
  }

  /** The transaction is over, however. */
  end(): void {
    this.#inTransaction = false
    this.#byCollection.clear()
  }

  /** @throws ERR_DB_NO_COLLECTION */
  of(collection: number): Counters {
    let counters = this.#byCollection.get(collection)
    if (counters === undefined) {
      const row = this.#read.get(collection) as { last_seq: number; live: number } | undefined
      if (row === undefined) throw databaseErrors.create('ERR_DB_NO_COLLECTION', `There is no collection ${collection}`)
      counters = { lastSequence: row.last_seq, live: row.live, stored: 0, changed: false }
      if (this.#inTransaction) this.#byCollection.set(collection, counters)
    }
    return counters
  }

  /** The collection is gone. */
  forget(collection: number): void {
    this.#byCollection.delete(collection)
  }
}
