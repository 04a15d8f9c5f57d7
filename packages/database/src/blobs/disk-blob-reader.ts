import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { errorCode } from '@kithmesh/core/plugin'
import type { BlobReader } from '../contracts/replication.ts'
import { databaseErrors } from '../errors.ts'
import { mapFileError } from '../file-errors.ts'

/** A blob's file, open to be read piece by piece into memory that is there already. */
export class DiskBlobReader implements BlobReader {
  readonly length: number
  readonly #path: string
  readonly #closed: () => void
  #descriptor: number | undefined

  /** Undefined when there is no such file. @param closed told once, when the file is closed. @throws ERR_DB_IO, ERR_DB_UNREADABLE */
  static open(path: string, closed: () => void): DiskBlobReader | undefined {
    try {
      return new DiskBlobReader(path, openSync(path, 'r'), closed)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined
      throw mapFileError(error, path)
    }
  }

  private constructor(path: string, descriptor: number, closed: () => void) {
    this.#path = path
    this.#descriptor = descriptor
    this.#closed = closed
    this.length = fstatSync(descriptor).size
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
