import type { SqliteConnection, SqliteRow, SqliteStatement } from './driver.ts'
import { KNOWN_NEW } from './statements.ts'

/** From so many live documents on, the index on ids is no longer kept in the page cache as a whole. */
export const SPLIT_FROM = 131_072

/** The part of {@link SPLIT_FROM} that recent ids may take, and of those the part that moves at a time. */
const RECENT = 4
const STEPS = 32

/**
 * The index on the ids of one collection, behind the view `ids_<n>`.
 *
 * It begins as an index of SQLite's own. Ids come in no order, so in a large collection every stored document changes another page of it, which is
 * read, written whole to the log and once more at the checkpoint: 4 KiB for 30 bytes. So a large one is split, once: `recent_ids_<n>` takes what is
 * stored, and is small enough to stay in the cache; when it is full, a stretch of neighbouring ids moves on to `settled_ids_<n>`, several to a page
 * (the rolling merge of log-structured merge trees). Triggers keep both, in the transaction of the document, for every process alike. What `recent`
 * has is newer, and a document's newest sequence is the greatest one.
 */
export class IdIndex {
  readonly #connection: SqliteConnection
  readonly #collection: number
  readonly #splitFrom: number
  readonly #limit: number
  readonly #step: number
  #split: { readonly range: SqliteStatement; readonly copy: SqliteStatement; readonly remove: SqliteStatement } | undefined
  #looked = false
  /** Where the next stretch begins. */
  #cursor = ''
  /** Those of other processes are not in it: each process moves as many as it stores. */
  #recentAtMost = 0

  constructor(connection: SqliteConnection, collection: number, splitFrom: number) {
    this.#connection = connection
    this.#collection = Number(collection)
    this.#splitFrom = splitFrom
    this.#limit = Math.floor(splitFrom / RECENT)
    this.#step = Math.max(1, Math.floor(this.#limit / STEPS))
  }

  /** Whether it was split when this process last stored something. */
  get isSplit(): boolean {
    return this.#split !== undefined
  }

  /** To be called at the end of a transaction that stored documents; `live` is how many there are. */
  settle(stored: number, live: number): void {
    if (this.#split === undefined && !this.#enter(live)) return
    this.#recentAtMost += stored
    if (this.#recentAtMost > this.#limit + this.#step) while (this.#recentAtMost > this.#limit) this.#move()
  }

  /** Whether it is split, by now or by this call. */
  #enter(live: number): boolean {
    const large = live >= this.#splitFrom
    if (this.#looked && !large) return false
    this.#looked = true
    const n = this.#collection
    if (!exists(this.#connection, `recent_ids_${n}`)) {
      // Collections made by the first format have an index that cannot be dropped.
      if (!large || !exists(this.#connection, `docs_${n}_by_id`)) return false
      this.#connection.exec(splitSql(n))
    }
    const prepare = (sql: string): SqliteStatement => this.#connection.prepare(sql)
    this.#split = {
      range: prepare(`SELECT max(id) AS last FROM (SELECT id FROM recent_ids_${n} WHERE id > ? ORDER BY id LIMIT ?)`),
      copy: prepare(
        `INSERT INTO settled_ids_${n} SELECT id, seq FROM recent_ids_${n} WHERE id > ? AND id <= ? ORDER BY id
         ON CONFLICT (id) DO UPDATE SET seq = excluded.seq`
      ),
      remove: prepare(`DELETE FROM recent_ids_${n} WHERE id > ? AND id <= ?`)
    }
    this.#recentAtMost = Number((prepare(`SELECT count(*) AS n FROM recent_ids_${n}`).get() as SqliteRow).n)
    return true
  }

  #move(): void {
    const { range, copy, remove } = this.#split!
    const { last } = range.get(this.#cursor, this.#step) as { last: string | null }
    if (last !== null) {
      copy.run(this.#cursor, last)
      this.#recentAtMost -= Number(remove.run(this.#cursor, last).changes)
    } else if (this.#cursor === '') this.#recentAtMost = 0
    this.#cursor = last ?? ''
  }
}

/** The table of a collection's documents, with its index on ids. `tree` comes before `body` so that reading it never walks the pages a large body overflows into. */
export function createCollectionSql(n: number): string {
  return `
    CREATE TABLE docs_${n} (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, rev TEXT NOT NULL, flags INTEGER NOT NULL, tree BLOB, body BLOB);
    CREATE UNIQUE INDEX docs_${n}_by_id ON docs_${n} (id);
    ${wholeIndexView(n)}`
}

/** The view over the index while it is whole, which collections made by the first format lack. */
export function wholeIndexView(n: number): string {
  return `CREATE VIEW ids_${n} AS SELECT id, seq FROM docs_${n};`
}

export function dropCollectionSql(n: number): string {
  return `DROP VIEW ids_${n}; DROP TABLE docs_${n}; DROP TABLE IF EXISTS recent_ids_${n}; DROP TABLE IF EXISTS settled_ids_${n};`
}

/** How many documents of a collection are not found by their ids. */
export function lostIds(connection: SqliteConnection, n: number): number {
  const found = `SELECT max(seq) FROM ids_${n} WHERE id = docs_${n}.id`
  return Number((connection.prepare(`SELECT count(*) AS n FROM docs_${n} WHERE seq IS NOT (${found})`).get() as SqliteRow).n)
}

function splitSql(n: number): string {
  const [docs, recent, settled] = [`docs_${n}`, `recent_ids_${n}`, `settled_ids_${n}`]
  return `
    CREATE TABLE ${recent} (id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE ${settled} (id TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO ${settled} SELECT id, seq FROM ${docs} ORDER BY id;
    DROP VIEW ids_${n};
    DROP INDEX ${docs}_by_id;
    CREATE VIEW ids_${n} AS SELECT id, seq FROM ${recent} UNION ALL SELECT id, seq FROM ${settled};
    CREATE TRIGGER ${docs}_known BEFORE INSERT ON ${docs}
      WHEN new.flags & ${KNOWN_NEW} = 0
        AND (EXISTS (SELECT 1 FROM ${recent} WHERE id = new.id) OR EXISTS (SELECT 1 FROM ${settled} WHERE id = new.id))
      BEGIN SELECT RAISE(IGNORE); END;
    CREATE TRIGGER ${docs}_added AFTER INSERT ON ${docs} BEGIN INSERT INTO ${recent} VALUES (new.id, new.seq); END;
    CREATE TRIGGER ${docs}_moved AFTER UPDATE OF seq ON ${docs}
      BEGIN INSERT INTO ${recent} VALUES (new.id, new.seq) ON CONFLICT (id) DO UPDATE SET seq = excluded.seq; END;
    CREATE TRIGGER ${docs}_removed AFTER DELETE ON ${docs}
      BEGIN DELETE FROM ${recent} WHERE id = old.id; DELETE FROM ${settled} WHERE id = old.id; END;`
}

function exists(connection: SqliteConnection, name: string): boolean {
  return connection.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').get(name) !== undefined
}
