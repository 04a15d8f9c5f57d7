import { closeSync, fdatasync, openSync, writevSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import type { BlobWriter } from '../contracts/replication.ts'
import { mapFileError } from '../file-errors.ts'
import { blobHash, checkArrived, digestOf } from './digest.ts'
import type { DirectorySync } from './directory-sync.ts'

const dataSync = promisify(fdatasync)

/** Bytes gathered before they are written; a blob below this touches the disk only in `commit`. */
const GATHER_BYTES = 1024 * 1024

export interface DiskBlobWriterOptions {
  readonly expected: { readonly digest: string; readonly length?: number } | undefined
  readonly temporary: string
  place(digest: string): string
  exists(path: string): boolean
  readonly sync: DirectorySync
}

/** Receives one blob: hashes as it goes, writes to a temporary file, moves it into place when it is right. */
export class DiskBlobWriter implements BlobWriter {
  readonly #options: DiskBlobWriterOptions
  readonly #hash = blobHash()
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  #file: FileHandle | undefined
  #ended = false
  #digest = ''
  length = 0

  constructor(options: DiskBlobWriterOptions) {
    this.#options = options
  }

  /** Known after `commit`. */
  get digest(): string {
    return this.#digest
  }

  async write(piece: Uint8Array): Promise<void> {
    if (this.#ended) throw new TypeError('The blob is finished')
    this.length += piece.length
    const { expected } = this.#options
    if (expected?.length !== undefined && this.length > expected.length) checkArrived(expected, expected.digest, this.length)
    this.#hash.update(piece)
    this.#gathered.push(Uint8Array.prototype.slice.call(piece))
    this.#gatheredBytes += piece.length
    if (this.#gatheredBytes >= GATHER_BYTES)
      await this.#guard(async () => {
        await this.#flush()
      })
  }

  async commit(): Promise<void> {
    if (this.#ended) throw new TypeError('The blob is finished')
    this.#ended = true
    await this.#guard(async () => {
      const { expected, temporary, place, exists, sync } = this.#options
      this.#digest = digestOf(this.#hash)
      if (expected !== undefined) checkArrived(expected, this.#digest, this.length)
      const path = place(this.#digest)
      if (exists(path)) {
        await this.#discard()
        await sync.sync(dirname(path))
        return
      }
      if (this.#file === undefined) await this.#writeWhole()
      else {
        await this.#flush()
        await this.#file.datasync()
        await this.#file.close()
        this.#file = undefined
      }
      await rename(temporary, path)
      await sync.sync(dirname(path))
    })
  }

  async abort(): Promise<void> {
    this.#ended = true
    await this.#discard()
  }

  async #flush(): Promise<void> {
    this.#file ??= await open(this.#options.temporary, 'wx')
    const pieces = this.#gathered
    this.#gathered = []
    this.#gatheredBytes = 0
    if (pieces.length > 0) await writeAll(this.#file, pieces)
  }

  /**
   * A blob that was gathered completely goes to the file cache at once; only the disk itself is waited for. Each detour over the
   * thread pool costs more than copying this much.
   */
  async #writeWhole(): Promise<void> {
    const { temporary } = this.#options
    const descriptor = openSync(temporary, 'wx')
    try {
      let rest: readonly Uint8Array[] = this.#gathered.filter((piece) => piece.length > 0)
      while (rest.length > 0) rest = withoutFirst(rest, writevSync(descriptor, rest))
      await dataSync(descriptor)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    } finally {
      closeSync(descriptor)
      this.#gathered = []
    }
  }

  async #discard(): Promise<void> {
    this.#gathered = []
    const file = this.#file
    this.#file = undefined
    if (file === undefined) return
    await file.close()
    await rm(this.#options.temporary, { force: true })
  }

  async #guard(run: () => Promise<void>): Promise<void> {
    try {
      await run()
    } catch (error) {
      this.#ended = true
      await this.#discard().catch(() => {})
      throw mapFileError(error, this.#options.temporary)
    }
  }
}

/** The system may take less than it is given (a disk about to be full does) without calling it an error. */
async function writeAll(file: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  let rest = pieces
  while (rest.length > 0) {
    rest = withoutFirst(rest, (await file.writev(rest)).bytesWritten)
  }
}

function withoutFirst(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes
  return pieces.flatMap((piece) => {
    const taken = Math.min(left, piece.length)
    left -= taken
    return taken < piece.length ? [piece.subarray(taken)] : []
  })
}
