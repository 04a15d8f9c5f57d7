import { statfsSync } from 'node:fs'
import { errorCode, isKithmeshError } from '@kithmesh/core/plugin'
import { databaseErrors } from '../errors.ts'

/** SQLite's primary result codes by number, as node:sqlite reports them (`errcode`); better-sqlite3 gives names. */
const namesByNumber: Readonly<Record<number, string>> = {
  3: 'SQLITE_PERM',
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  23: 'SQLITE_AUTH',
  26: 'SQLITE_NOTADB'
}

/** The name of the SQLite result code behind an error, e.g. `SQLITE_BUSY`; undefined when it is not SQLite's. */
export function sqliteCode(error: unknown): string | undefined {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown }
  if (typeof code === 'string' && code.startsWith('SQLITE_')) return code
  if (typeof errcode === 'number') return namesByNumber[errcode & 0xff] ?? 'SQLITE_ERROR'
  return undefined
}

function diskIsFull(directory: string): boolean {
  try {
    return statfsSync(directory).bavail === 0
  } catch {
    return false
  }
}

/** Turns an error of either SQLite binding into ours; leaves every other error (ours, the caller's) as it is. */
export function mapSqliteError(error: unknown, directory: string): unknown {
  if (isKithmeshError(error)) return error
  const code = sqliteCode(error)
  if (code === undefined) {
    const text = error instanceof Error ? error.message : ''
    return text.includes('database connection is not open') || errorCode(error) === 'ERR_INVALID_STATE'
      ? databaseErrors.create('ERR_DB_CLOSED', 'The database is closed', { cause: error })
      : error
  }
  const text = `${error instanceof Error ? error.message : String(error)} (${code}, ${directory})`
  const options = { cause: error, details: { directory, code } }
  if (code.startsWith('SQLITE_FULL')) return databaseErrors.create('ERR_DB_DISK_FULL', text, options)
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) return databaseErrors.create('ERR_DB_LOCKED', text, options)
  if (code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_CORRUPT'))
    return databaseErrors.create('ERR_DB_UNREADABLE', text, options)
  if (code.startsWith('SQLITE_IOERR')) return databaseErrors.create(diskIsFull(directory) ? 'ERR_DB_DISK_FULL' : 'ERR_DB_IO', text, options)
  if (/^SQLITE_(CANTOPEN|PERM|READONLY|AUTH)/.test(code)) {
    if (diskIsFull(directory)) return databaseErrors.create('ERR_DB_DISK_FULL', text, options)
    return databaseErrors.create('ERR_DB_UNREADABLE', text, {
      ...options,
      hint: 'Check that this user may read and write the directory and all files in it.'
    })
  }
  if (text.includes('no such table: docs_'))
    return databaseErrors.create('ERR_DB_NO_COLLECTION', `The collection was deleted: ${text}`, options)
  return databaseErrors.create('ERR_DB_ENGINE', text, options)
}
