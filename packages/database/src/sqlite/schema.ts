import { databaseErrors } from '../errors.ts'
import type { SqliteConnection, SqliteRow } from './driver.ts'
import { sqliteCode } from './error-mapping.ts'
import { wholeIndexView } from './id-index.ts'

/** The name of the store's file in a database directory; `-wal` and `-shm` stand beside it. */
export const SQLITE_FILE = 'db.sqlite'

/** Kept in `PRAGMA user_version`; a greater one is refused. */
const SCHEMA_VERSION = 2

/** Kept in `PRAGMA application_id`, "Kith": tells our files from other programs' SQLite files. */
const APPLICATION_ID = 0x4b697468

/** How long a statement waits for another process before SQLITE_BUSY. */
const BUSY_TIMEOUT_MS = 5000

export type Durability = 'full' | 'normal'

/**
 * One row per collection; `last_seq` never decreases, so that the number of a purged document is not given out again.
 * Documents live in `docs_<id>`, by sequence, and are found by the view `ids_<id>` (id-index.ts); `kv` holds small named values.
 */
const SCHEMA = `
  CREATE TABLE collections (id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, name TEXT NOT NULL,
    last_seq INTEGER NOT NULL DEFAULT 0, live INTEGER NOT NULL DEFAULT 0, UNIQUE (scope, name));
  CREATE TABLE kv (space TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;
`

function pragmaNumber(connection: SqliteConnection, name: string): number {
  const row = connection.prepare(`PRAGMA ${name}`).get() as SqliteRow
  return Number(row[name])
}

/** Sets a fresh connection up: write-ahead log, waiting, memory bounds. */
export function configure(connection: SqliteConnection, durability: Durability): void {
  // SQLite's own waiting is off meanwhile: in front of a store that is locked as a whole, it would come on top of every try.
  connection.exec('PRAGMA busy_timeout = 0')
  retryWhileBusy(() => connection.exec('PRAGMA journal_mode = WAL'))
  connection.exec(`
    PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS};
    PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'};
    PRAGMA cache_size = -8192;
    PRAGMA wal_autocheckpoint = 4000;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA temp_store = MEMORY;
  `)
}

/** Makes the tables of a new file, or checks that an existing one is ours and not newer. */
export function prepareSchema(connection: SqliteConnection, directory: string): void {
  if (pragmaNumber(connection, 'user_version') === SCHEMA_VERSION && pragmaNumber(connection, 'application_id') === APPLICATION_ID) return
  connection.exec('BEGIN IMMEDIATE')
  try {
    const version = pragmaNumber(connection, 'user_version')
    const application = pragmaNumber(connection, 'application_id')
    const tables = (connection.prepare('SELECT count(*) AS n FROM sqlite_schema').get() as SqliteRow).n
    if (tables === 0) {
      connection.exec(SCHEMA)
      connection.exec(`PRAGMA application_id = ${APPLICATION_ID}`)
      connection.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
    } else if (application !== APPLICATION_ID) {
      throw databaseErrors.create('ERR_DB_UNREADABLE', `The SQLite file in ${directory} belongs to another program`)
    } else if (version > SCHEMA_VERSION) {
      throw databaseErrors.create('ERR_DB_VERSION', `The store in ${directory} has format ${version}; this program knows ${SCHEMA_VERSION}`)
    } else if (version === 1) {
      for (const row of connection.prepare('SELECT id FROM collections').all() as { id: number }[]) connection.exec(wholeIndexView(row.id))
      connection.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`)
    }
    connection.exec('COMMIT')
  } catch (error) {
    try {
      connection.exec('ROLLBACK')
    } catch {
      /* the error itself ended the transaction */
    }
    throw error
  }
}

/** Changing the journal mode does not wait for others by itself; two processes opening a new file at once meet here. */
function retryWhileBusy(run: () => void): void {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let waited = 0; ; waited += 20) {
    try {
      run()
      return
    } catch (error) {
      if (sqliteCode(error)?.startsWith('SQLITE_BUSY') !== true || waited >= BUSY_TIMEOUT_MS) throw error
      Atomics.wait(pause, 0, 0, 20)
    }
  }
}
