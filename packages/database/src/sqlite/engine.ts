import { join } from 'node:path'
import type { StorageEngineFactory } from '../contracts/storage.ts'
import { loadSqliteDriver } from './driver.ts'
import type { SqliteConnection, SqliteDriver } from './driver.ts'
import { mapSqliteError } from './error-mapping.ts'
import { configure, prepareSchema, SQLITE_FILE } from './schema.ts'
import type { Durability } from './schema.ts'
import { SqliteStore } from './store.ts'

export interface SqliteEngineOptions {
  /**
   * `full` (default): a finished transaction survives power loss (one fsync each). `normal`: it survives the death of the process,
   * but the last ones may be undone by a power cut; nothing is ever damaged.
   */
  readonly durability?: Durability
  /** Insists on one of the two bindings; for tests. */
  readonly driver?: SqliteDriver['name']
}

/**
 * The durable engine: SQLite in WAL mode. Memory: at most 16 MB of page cache per open store.
 * @throws (open) ERR_DB_ENGINE_MISSING besides what the contract names.
 */
export function sqliteEngine(options: SqliteEngineOptions = {}): StorageEngineFactory {
  return {
    name: 'sqlite',
    capabilities: Object.freeze({ durable: true, multiProcess: true }),
    open(directory) {
      const driver = loadSqliteDriver(options.driver)
      let connection: SqliteConnection | undefined
      try {
        connection = driver.connect(join(directory, SQLITE_FILE))
        configure(connection, options.durability ?? 'full')
        prepareSchema(connection, directory)
        return new SqliteStore(connection, directory, options.durability ?? 'full')
      } catch (error) {
        try {
          connection?.close()
        } catch {
          /* the first error says more */
        }
        throw mapSqliteError(error, directory)
      }
    }
  }
}
