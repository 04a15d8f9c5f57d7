import { join } from 'node:path'
import type { StorageEngineFactory } from '../contracts/storage.ts'
import { loadSqliteDriver } from './driver.ts'
import type { SqliteConnection, SqliteDriver } from './driver.ts'
import { mapSqliteError } from './error-mapping.ts'
import { SPLIT_FROM } from './id-index.ts'
import { configure, prepareSchema, SQLITE_FILE } from './schema.ts'
import type { Durability } from './schema.ts'
import { SqliteStore } from './store.ts'

export interface SqliteEngineOptions {
  /**
   * `full` (default): a finished transaction survives power loss (one fsync each). `normal`: it survives the death of the process,
   * but the last ones may be undone by a power cut; nothing is ever damaged.
   */
  readonly durability?: Durability
  /** Live documents from which on a collection's index on ids is split; for tests. Default 131,072. */
  readonly splitFrom?: number
  /** Insists on one of the two bindings; for tests. */
  readonly driver?: SqliteDriver['name']
}

/**
 * The durable engine: SQLite in WAL mode. Memory: at most 8 MiB of page cache per open store. For a database `:memory:` its store is there only, too, and
 * durable is nothing.
 * @throws TypeError for a durability that there is not; (open) ERR_DB_ENGINE_MISSING besides what the contract names.
 */
export function sqliteEngine(options: SqliteEngineOptions = {}): StorageEngineFactory {
  const { durability = 'full' } = options
  // A misspelt one must not count as the lesser.
  if (!['full', 'normal'].includes(durability)) throw new TypeError(`durability must be full or normal, not ${durability}`)
  return {
    name: 'sqlite',
    capabilities: Object.freeze({ durable: true, multiProcess: true }),
    open(directory) {
      const driver = loadSqliteDriver(options.driver)
      let connection: SqliteConnection | undefined
      try {
        connection = driver.connect(directory === '' ? ':memory:' : join(directory, SQLITE_FILE))
        configure(connection, durability)
        prepareSchema(connection, directory)
        return new SqliteStore(connection, directory, durability, options.splitFrom ?? SPLIT_FROM)
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
