import { errorCode, isKithmeshError } from '@kithmesh/core/plugin'
import { databaseErrors } from './errors.ts'

/** Turns an error of the file system into ours; leaves ours and programmer errors as they are. */
export function mapFileError(error: unknown, path: string): unknown {
  if (isKithmeshError(error)) return error
  const code = errorCode(error)
  const options = { cause: error, details: { path } }
  const text = `${error instanceof Error ? error.message : String(error)}`
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return databaseErrors.create('ERR_DB_DISK_FULL', text, options)
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return databaseErrors.create('ERR_DB_UNREADABLE', text, {
        ...options,
        hint: 'Check that this user may read and write the directory and all files in it.'
      })
    case 'ENOTDIR':
    case 'EISDIR':
    case 'EEXIST':
      return databaseErrors.create('ERR_DB_UNREADABLE', text, { ...options, hint: 'The path must name a directory, not a file.' })
    case 'EIO':
    case 'EMFILE':
    case 'ENFILE':
    case 'ENOENT':
      return databaseErrors.create('ERR_DB_IO', text, options)
    default:
      return error
  }
}
