import { randomBytes } from 'node:crypto'
import {
  copyFileSync,
  createReadStream,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  type Stats
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '@kithmesh/core/plugin'
import type { Clock } from '@kithmesh/core/plugin'
import type { BlobReader, BlobWriter } from '../contracts/replication.ts'
import type { Blob, ManagedBlobStore } from './blob-store.ts'
import { DirectorySync } from './directory-sync.ts'
import { hexOf, requireHex } from './digest.ts'
import { DiskBlobReader } from './disk-blob-reader.ts'
import { DiskBlobWriter } from './disk-blob-writer.ts'

/** A blob asked for counts as used; its time is set anew when older than this, milliseconds. */
const TOUCH_AFTER_MS = 10 * 60_000

/** Files open for {@link DiskBlobs.openReader} at once: a process may often have no more than 1024. */
const MAX_READERS = 64

const BLOB_FILE = /^[0-9a-f]{40}$/
/** What writers call the file that is not whole yet. */
const TEMPORARY_FILE = /^[0-9a-f]{24}$/

/**
 * Blobs as files: the 40 hex digits of the SHA-1, written under `tmp/` and moved into place once complete, checked and on the disk.
 * One directory holds them all, because making a rename durable costs one sync of its directory, and writers share that of a common one.
 * A file in place is therefore always whole; what a crash leaves in `tmp/` is cleared away by `sweep`. The directory may be a link of the user's own; a link in the place
 * of a blob is none: peers would be sent the file that it leads to.
 */
export class DiskBlobs implements ManagedBlobStore {
  readonly #directory: string
  readonly #clock: Clock
  readonly #sync = new DirectorySync()
  /** Of the files being written, which others may write beside; a number of eight digits follows. */
  readonly #prefix = randomBytes(8).toString('hex')
  #writers = 0
  #readers = 0

  constructor(directory: string, clock: Clock) {
    this.#directory = directory
    this.#clock = clock
    mkdirSync(join(directory, 'tmp'), { recursive: true })
  }

  has(digest: string): boolean {
    return this.size(digest) !== undefined
  }

  size(digest: string): number | undefined {
    const path = this.#pathOf(digest)
    const found = path === undefined ? undefined : blobAt(path)
    if (found === undefined || path === undefined) return undefined
    this.#used(path, found.mtimeMs)
    return found.size
  }

  async read(digest: string): Promise<Buffer | undefined> {
    const path = this.#pathOf(digest)
    if (path === undefined || blobAt(path) === undefined) return undefined
    try {
      return await readFile(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  openRead(digest: string): AsyncIterable<Buffer> | undefined {
    const path = this.#pathOf(digest)
    if (path === undefined || blobAt(path) === undefined) return undefined
    return createReadStream(path, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>
  }

  readNow(digest: string, maxBytes: number): Buffer | undefined {
    const path = this.#pathOf(digest)
    const size = this.size(digest)
    if (path === undefined || size === undefined || size > maxBytes) return undefined
    try {
      return readFileSync(path)
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined
      throw error
    }
  }

  openReader(digest: string, maxBytes = Infinity): BlobReader | undefined {
    const path = this.#pathOf(digest)
    if (path === undefined || this.#readers >= MAX_READERS) return undefined
    const reader = DiskBlobReader.open(path, maxBytes, () => {
      this.#readers--
    })
    if (reader === undefined) return undefined
    this.#readers++
    this.#used(path, reader.mtimeMs)
    return reader
  }

  openWrite(expected: { readonly digest: string; readonly length?: number }): BlobWriter {
    requireHex(expected.digest)
    return this.#writer(expected)
  }

  async saveBlob(content: Uint8Array | AsyncIterable<Uint8Array>, contentType?: string): Promise<Blob> {
    const writer = this.#writer(undefined)
    try {
      if (content instanceof Uint8Array) await writer.write(content)
      else for await (const piece of content) await writer.write(piece)
      await writer.commit()
    } catch (error) {
      await writer.abort()
      throw error
    }
    return {
      '@type': 'blob',
      digest: writer.digest,
      length: writer.length,
      ...(contentType === undefined ? {} : { content_type: contentType })
    }
  }

  async readBlob(blob: { readonly digest: string } | string): Promise<Buffer | undefined> {
    return await this.read(typeof blob === 'string' ? blob : blob.digest)
  }

  sweep(wanted: ReadonlySet<string>, idleMs: number): number {
    const keep = new Set([...wanted].map(hexOf))
    const limit = this.#clock.now() - idleMs
    let removed = 0
    for (const [folder, inTmp] of [
      [this.#directory, false],
      [join(this.#directory, 'tmp'), true]
    ] as const) {
      for (const file of readdirSync(folder)) {
        if (!(inTmp ? TEMPORARY_FILE : BLOB_FILE).test(file) || (!inTmp && keep.has(file))) continue
        const path = join(folder, file)
        const found = lstatSync(path, { throwIfNoEntry: false })
        if (found === undefined || found.mtimeMs > limit) continue
        rmSync(path, { force: true })
        if (!inTmp) removed += 1
      }
    }
    return removed
  }

  copyTo(directory: string): void {
    mkdirSync(directory, { recursive: true })
    for (const file of readdirSync(this.#directory)) {
      const from = join(this.#directory, file)
      if (!BLOB_FILE.test(file) || blobAt(from) === undefined) continue
      const to = join(directory, file)
      try {
        linkSync(from, to)
      } catch {
        copyFileSync(from, to)
      }
    }
  }

  #writer(expected: { readonly digest: string; readonly length?: number } | undefined): DiskBlobWriter {
    return new DiskBlobWriter({
      expected,
      temporary: join(this.#directory, 'tmp', this.#prefix + (this.#writers++ % 2 ** 32).toString(16).padStart(8, '0')),
      place: (digest) => join(this.#directory, requireHex(digest)),
      exists: (path) => {
        const there = blobAt(path) !== undefined
        if (there) this.#touch(path)
        return there
      },
      sync: this.#sync
    })
  }

  #used(path: string, mtimeMs: number): void {
    if (this.#clock.now() - mtimeMs > TOUCH_AFTER_MS) this.#touch(path)
  }

  #touch(path: string): void {
    const seconds = this.#clock.now() / 1000
    try {
      utimesSync(path, seconds, seconds)
    } catch {
      /* read-only or just removed: the time does not matter then */
    }
  }

  #pathOf(digest: string): string | undefined {
    const hex = hexOf(digest)
    return hex === undefined ? undefined : join(this.#directory, hex)
  }
}

/** The file of a blob, itself and no link to one. */
function blobAt(path: string): Stats | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false })
  return found?.isFile() === true ? found : undefined
}
