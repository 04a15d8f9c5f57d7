import { close, closeSync, fdatasync, openSync, renameSync, rmSync, writeSync, writev } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import type { BlobWriter } from '../contracts/replication.ts'
import { mapFileError } from '../file-errors.ts'
import { blobHash, checkArrived, digestOf } from './digest.ts'
import type { DirectorySync } from './directory-sync.ts'

const dataSync = promisify(fdatasync)
const closeFile = promisify(close)
const writePieces = promisify(writev)

/** So much of a blob goes to the file cache piece by piece as it comes: each detour over the thread pool costs more than copying this much. */
const AT_ONCE_BYTES = 1024 * 1024
/** Of the rest, so much is gathered for one write that is waited for. */
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
  #descriptor: number | undefined
  /** What waits for the disk. */
  #writing: Promise<void> | undefined
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

  write(piece: Uint8Array): Promise<void> | undefined {
    if (this.#ended) throw new TypeError('The blob is finished')
    if (this.#writing !== undefined) throw new TypeError('The last write is still under way')
    this.length += piece.length
    const { expected } = this.#options
    if (expected?.length !== undefined && this.length > expected.length) checkArrived(expected, expected.digest, this.length)
    this.#hash.update(piece)
    if (this.length <= AT_ONCE_BYTES) {
      this.#writeNow(piece)
      return undefined
    }
    this.#gathered.push(Uint8Array.prototype.slice.call(piece))
    this.#gatheredBytes += piece.length
    if (this.#gatheredBytes < GATHER_BYTES) return undefined
    this.#writing = this.#guard(async () => {
      await this.#flush()
      this.#writing = undefined
    })
    return this.#writing
  }

  async commit(): Promise<void> {
    if (this.#ended) throw new TypeError('The blob is finished')
    await this.#writing
    // Aborted meanwhile, or committed by somebody else.
    if (this.#ended) throw new TypeError('The blob is finished')
    this.#ended = true
    this.#writing = this.#guard(async () => {
      const { expected, temporary, place, exists, sync } = this.#options
      this.#digest = digestOf(this.#hash)
      if (expected !== undefined) checkArrived(expected, this.#digest, this.length)
      const path = place(this.#digest)
      if (exists(path)) {
        await this.#discard()
        await sync.sync(dirname(path))
        return
      }
      await this.#flush()
      const descriptor = this.#open()
      await dataSync(descriptor)
      this.#descriptor = undefined
      closeSync(descriptor)
      // By way of the thread pool it takes three times as long, most of it this thread's.
      renameSync(temporary, path)
      await sync.sync(dirname(path))
    })
    await this.#writing
  }

  async abort(): Promise<void> {
    this.#ended = true
    // Closed while a write waits for its turn, the number of the file could be another file's by then.
    await this.#writing?.catch(() => {})
    await this.#discard()
  }

  #open(): number {
    return (this.#descriptor ??= openSync(this.#options.temporary, 'wx'))
  }

  /** The piece is free again afterwards: nothing is copied in between. */
  #writeNow(piece: Uint8Array): void {
    try {
      const descriptor = this.#open()
      for (let done = 0; done < piece.length; ) done += writeSync(descriptor, piece, done)
    } catch (error) {
      this.#ended = true
      try {
        this.#discardNow()
      } catch {
        /* what went wrong before is what is told */
      }
      throw mapFileError(error, this.#options.temporary)
    }
  }

  async #flush(): Promise<void> {
    let rest: readonly Uint8Array[] = this.#gathered
    this.#gathered = []
    this.#gatheredBytes = 0
    while (rest.length > 0) rest = withoutFirst(rest, (await writePieces(this.#open(), rest)).bytesWritten)
  }

  async #discard(): Promise<void> {
    this.#gathered = []
    const descriptor = this.#descriptor
    this.#descriptor = undefined
    if (descriptor === undefined) return
    await closeFile(descriptor)
    await rm(this.#options.temporary, { force: true })
  }

  #discardNow(): void {
    const descriptor = this.#descriptor
    this.#descriptor = undefined
    if (descriptor === undefined) return
    closeSync(descriptor)
    rmSync(this.#options.temporary, { force: true })
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
function withoutFirst(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let left = bytes
  return pieces.flatMap((piece) => {
    const taken = Math.min(left, piece.length)
    left -= taken
    return taken < piece.length ? [piece.subarray(taken)] : []
  })
}
