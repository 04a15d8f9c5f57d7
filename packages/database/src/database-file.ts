import { randomBytes, randomUUID } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  rmdirSync,
  writeSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import type { DocumentVersioning } from './contracts/replication.ts'
import { databaseErrors } from './errors.ts'
import { mapFileError } from './file-errors.ts'

/** The file that makes a directory a database. */
const DATABASE_FILE = 'database.json'

const FORMAT = 1

/** The format of a database with version vectors: programs that know trees only must not take it for one. */
const VECTOR_FORMAT = 2

export interface DatabaseFile {
  readonly format: number
  readonly engine: string
  readonly versioning: DocumentVersioning
  readonly privateUuid: string
  readonly publicUuid: string
}

/** Undefined when the directory is no database. @throws ERR_DB_UNREADABLE, ERR_DB_VERSION */
export function readDatabaseFile(directory: string): DatabaseFile | undefined {
  const path = join(directory, DATABASE_FILE)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw mapFileError(error, path)
  }
  let value: Partial<DatabaseFile> | null
  try {
    value = JSON.parse(text) as Partial<DatabaseFile> | null
  } catch (cause) {
    throw databaseErrors.create('ERR_DB_UNREADABLE', `${path} is not JSON`, { cause })
  }
  const { format, engine, privateUuid, publicUuid } = value ?? {}
  if (typeof format === 'number' && format > VECTOR_FORMAT)
    throw databaseErrors.create('ERR_DB_VERSION', `${path} has format ${format}; this program knows ${VECTOR_FORMAT}`)
  const known = format === FORMAT || (format === VECTOR_FORMAT && value?.versioning === 'version-vectors')
  if (!known || typeof engine !== 'string' || typeof privateUuid !== 'string' || typeof publicUuid !== 'string') {
    throw databaseErrors.create('ERR_DB_UNREADABLE', `${path} does not describe a database`)
  }
  return { format, engine, versioning: format === FORMAT ? 'rev-trees' : 'version-vectors', privateUuid, publicUuid }
}

export interface DatabaseFileOptions {
  readonly createIfMissing?: boolean
  readonly versioning?: DocumentVersioning
}

/**
 * The description of the database in a directory, which is made one if need be. One with trees is not upgraded yet.
 * @throws ERR_DB_NOT_FOUND, ERR_DB_UNREADABLE, ERR_DB_VERSION, ERR_DB_VERSIONING
 */
export function findOrMakeDatabaseFile(directory: string, engine: string, options: DatabaseFileOptions): DatabaseFile {
  const { createIfMissing = true, versioning } = options
  const file =
    readDatabaseFile(directory) ?? (createIfMissing ? createDatabaseFile(directory, engine, versioning ?? 'rev-trees') : undefined)
  if (file === undefined) throw databaseErrors.create('ERR_DB_NOT_FOUND', `There is no database in ${directory}`)
  if (file.engine !== engine)
    throw databaseErrors.create('ERR_DB_UNREADABLE', `The database in ${directory} is kept by the engine ${file.engine}, not ${engine}`, {
      hint: 'Open it with the engine it was made with.'
    })
  if (versioning === 'rev-trees' && file.versioning !== 'rev-trees')
    throw databaseErrors.create(
      'ERR_DB_VERSIONING',
      `The database in ${directory} has version vectors; it cannot be used with revision trees`
    )
  return file
}

/** Makes the directory a database with new identities, unless another process was faster; returns what is there then. */
export function createDatabaseFile(directory: string, engine: string, versioning: DocumentVersioning): DatabaseFile {
  return place(directory, describe(engine, versioning, randomUUID(), randomUUID()), (temporary, path) => {
    try {
      linkSync(temporary, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  })
}

/** Makes a database with revision trees one with version vectors, for good. Identities stay. */
export function upgradeDatabaseFile(directory: string, { engine, privateUuid, publicUuid }: DatabaseFile): DatabaseFile {
  return place(directory, describe(engine, 'version-vectors', privateUuid, publicUuid), renameSync)
}

function describe(engine: string, versioning: DocumentVersioning, privateUuid: string, publicUuid: string): object {
  return versioning === 'rev-trees'
    ? { format: FORMAT, engine, privateUuid, publicUuid }
    : { format: VECTOR_FORMAT, engine, versioning, privateUuid, publicUuid }
}

/** Writes the file beside its place, whole and on the disk, and has it `put` there; returns what is there then. */
function place(directory: string, content: object, put: (temporary: string, path: string) => void): DatabaseFile {
  const path = join(directory, DATABASE_FILE)
  const temporary = join(directory, `${DATABASE_FILE}.${randomBytes(6).toString('hex')}`)
  try {
    mkdirSync(directory, { recursive: true })
    try {
      const file = openSync(temporary, 'wx')
      try {
        writeSync(file, JSON.stringify(content, undefined, 2) + '\n')
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      put(temporary, path)
    } finally {
      rmSync(temporary, { force: true })
    }
    for (const folder of [directory, dirname(directory)]) syncDirectory(folder)
  } catch (error) {
    throw mapFileError(error, directory)
  }
  const made = readDatabaseFile(directory)
  if (made === undefined) throw databaseErrors.create('ERR_DB_IO', `${path} vanished`)
  return made
}

/** Removes what belongs to a database and, when nothing else is in it, the directory. */
export function removeDatabaseFiles(directory: string): void {
  try {
    rmSync(join(directory, DATABASE_FILE), { force: true })
    for (const file of readdirSync(directory)) {
      if (/^db\.sqlite(-wal|-shm|-journal)?$/.test(file)) rmSync(join(directory, file), { force: true })
    }
    rmSync(join(directory, 'blobs'), { recursive: true, force: true })
    if (readdirSync(directory).length === 0) rmdirSync(directory)
  } catch (error) {
    throw mapFileError(error, directory)
  }
}

function syncDirectory(directory: string): void {
  let handle: number
  try {
    handle = openSync(directory, 'r')
  } catch {
    return
  }
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
