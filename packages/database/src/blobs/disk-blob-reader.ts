import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, type Stats } from 'node:fs'
import { errorCode } from '@kithmesh/core/plugin'
import type { BlobReader } from '../contracts/replication.ts'
import { databaseErrors } from '../errors.ts'
import { mapFileError } from '../file-errors.ts'

/** Not to be led elsewhere by a link, nor to wait for who writes to a pipe. Windows has neither flag. */
const OPEN_FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
/** No such file, or a link, or the end of a connection. */
const NOT_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ELOOP', 'EMLINK', 'ENXIO'])
/** Where opening a link cannot be refused, it is looked for before. */
const followsLinks = constants.O_NOFOLLOW === undefined

/** A blob's file, open to be read piece by piece into memory that is there already. */
export class DiskBlobReader implements BlobReader {
  readonly length: number
  readonly mtimeMs: number
  readonly #path: string
  readonly #closed: () => void
  #descriptor: number | undefined

  /** Undefined when there is no such file, or one of more than `maxBytes`. @param closed told once, when the file is closed. @throws ERR_DB_IO, ERR_DB_UNREADABLE */
  static open(path: string, maxBytes: number, closed: () => void): DiskBlobReader | undefined {
    let descriptor: number | undefined
    try {
      if (followsLinks && lstatSync(path).isSymbolicLink()) return undefined
      descriptor = openSync(path, OPEN_FLAGS)
      const found = fstatSync(descriptor)
      if (found.isFile() && found.size <= maxBytes) return new DiskBlobReader(path, descriptor, found, closed)
    } catch (error) {
      if (descriptor !== undefined) closeSync(descriptor)
      if (NOT_THERE.has(errorCode(error) ?? '')) return undefined
      throw mapFileError(error, path)
    }
    closeSync(descriptor)
    return undefined
  }

  private constructor(path: string, descriptor: number, { size, mtimeMs }: Stats, closed: () => void) {
    this.#path = path
    this.#descriptor = descriptor
    this.#closed = closed
    this.length = size
    this.mtimeMs = mtimeMs
  }

  read(target: Uint8Array, offset: number, length: number, position: number): void {
    if (this.#descriptor === undefined) throw new TypeError('The blob is closed')
    try {
      for (let done = 0; done < length; ) {
        const bytes = readSync(this.#descriptor, target, offset + done, length - done, position + done)
        if (bytes === 0) throw databaseErrors.create('ERR_DB_IO', `${this.#path} is shorter than it was`, { details: { path: this.#path } })
        done += bytes
      }
    } catch (error) {
      throw mapFileError(error, this.#path)
    }
  }

  close(): void {
    const descriptor = this.#descriptor
    if (descriptor === undefined) return
    this.#descriptor = undefined
    this.#closed()
    closeSync(descriptor)
  }
}
