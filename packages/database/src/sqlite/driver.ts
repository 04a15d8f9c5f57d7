import { createRequire } from 'node:module'
import { databaseErrors } from '../errors.ts'

/** What can be bound to and comes out of a statement here. */
export type SqliteValue = string | number | bigint | Uint8Array | null

export type SqliteRow = Readonly<Record<string, SqliteValue>>

/** The part of a prepared statement that both SQLite bindings share. */
export interface SqliteStatement {
  run(...parameters: SqliteValue[]): { readonly changes: number | bigint }
  get(...parameters: SqliteValue[]): unknown
  all(...parameters: SqliteValue[]): unknown[]
}

/** The part of a connection that both SQLite bindings share. */
export interface SqliteConnection {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
  close(): unknown
}

export interface SqliteDriver {
  readonly name: 'node:sqlite' | 'better-sqlite3'
  connect(file: string): SqliteConnection
}

/**
 * The SQLite of this process: Node's own where the running Node has it (22.13 and newer), otherwise better-sqlite3.
 * Nothing is loaded before the first call.
 * @throws ERR_DB_ENGINE_MISSING
 */
export function loadSqliteDriver(prefer?: SqliteDriver['name']): SqliteDriver {
  if (prefer !== 'better-sqlite3') {
    const builtin = process.getBuiltinModule('node:sqlite') as { DatabaseSync: new (file: string) => SqliteConnection } | undefined
    if (builtin !== undefined) return { name: 'node:sqlite', connect: (file) => new builtin.DatabaseSync(file) }
  }
  if (prefer !== 'node:sqlite') {
    try {
      const require = createRequire(import.meta.url)
      const Connection = require('better-sqlite3') as new (file: string) => SqliteConnection
      return { name: 'better-sqlite3', connect: (file) => new Connection(file) }
    } catch (cause) {
      throw databaseErrors.create('ERR_DB_ENGINE_MISSING', 'better-sqlite3 cannot be loaded and this Node has no node:sqlite', { cause })
    }
  }
  throw databaseErrors.create('ERR_DB_ENGINE_MISSING', 'This Node has no node:sqlite')
}
