import { randomBytes } from 'node:crypto'
import {
  closeSync,
  copyFileSync,
  createReadStream,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '@kithmesh/core'
import type { BlobWriter } from '../contracts/replication.ts'
import type { Blob, ManagedBlobStore } from './blob-store.ts'
import { mapFileError } from '../file-errors.ts'
import { DirectorySync } from './directory-sync.ts'
import { hexOf, requireHex } from './digest.ts'
import { DiskBlobWriter } from './disk-blob-writer.ts'

/** A blob asked for counts as used; its time is set anew when older than this, milliseconds. */
const TOUCH_AFTER_MS = 10 * 60_000

/**
 * Blobs as files: `<2 hex>/<38 hex>` of the SHA-1, written under `tmp/` and moved into place once complete, checked and on the disk.
 * A file in place is therefore always whole; what a crash leaves in `tmp/` is cleared away by `sweep`.
 */
export class DiskBlobs implements ManagedBlobStore {
  readonly #directory: string
  readonly #clock: Clock
  readonly #sync = new DirectorySync()
  #sharded = false

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
    const found = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })
    if (found === undefined || path === undefined) return undefined
    if (this.#clock.now() - found.mtimeMs > TOUCH_AFTER_MS) this.#touch(path)
    return found.size
  }

  async read(digest: string): Promise<Buffer | undefined> {
    const path = this.#pathOf(digest)
    if (path === undefined) return undefined
    try {
      return await readFile(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  openRead(digest: string): AsyncIterable<Buffer> | undefined {
    const path = this.#pathOf(digest)
    if (path === undefined || !existsSync(path)) return undefined
    return createReadStream(path, { highWaterMark: 256 * 1024 }) as AsyncIterable<Buffer>
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
    for (const shard of readdirSync(this.#directory)) {
      const inTmp = shard === 'tmp'
      if (!inTmp && !/^[0-9a-f]{2}$/.test(shard)) continue
      for (const file of readdirSync(join(this.#directory, shard))) {
        if (!inTmp && keep.has(shard + file)) continue
        const path = join(this.#directory, shard, file)
        const found = statSync(path, { throwIfNoEntry: false })
        if (found === undefined || found.mtimeMs > limit) continue
        rmSync(path, { force: true })
        if (!inTmp) removed += 1
      }
    }
    return removed
  }

  copyTo(directory: string): void {
    for (const shard of readdirSync(this.#directory)) {
      if (!/^[0-9a-f]{2}$/.test(shard)) continue
      mkdirSync(join(directory, shard), { recursive: true })
      for (const file of readdirSync(join(this.#directory, shard))) {
        const from = join(this.#directory, shard, file)
        const to = join(directory, shard, file)
        try {
          linkSync(from, to)
        } catch {
          copyFileSync(from, to)
        }
      }
    }
  }

  #writer(expected: { readonly digest: string; readonly length?: number } | undefined): DiskBlobWriter {
    this.#makeShards()
    return new DiskBlobWriter({
      expected,
      temporary: join(this.#directory, 'tmp', randomBytes(12).toString('hex')),
      place: (digest) => join(this.#directory, this.#relative(requireHex(digest))),
      exists: (path) => {
        const there = existsSync(path)
        if (there) this.#touch(path)
        return there
      },
      sync: this.#sync
    })
  }

  /** All at once and before the first blob, so that no blob waits for a directory of its own to be on the disk. */
  #makeShards(): void {
    if (this.#sharded) return
    try {
      if (!existsSync(join(this.#directory, 'ff'))) {
        for (let shard = 0; shard < 256; shard += 1)
          mkdirSync(join(this.#directory, shard.toString(16).padStart(2, '0')), { recursive: true })
        const handle = openSync(this.#directory, 'r')
        try {
          fsyncSync(handle)
        } finally {
          closeSync(handle)
        }
      }
    } catch (error) {
      throw mapFileError(error, this.#directory)
    }
    this.#sharded = true
  }

  #touch(path: string): void {
    const seconds = this.#clock.now() / 1000
    try {
      utimesSync(path, seconds, seconds)
    } catch {
      /* read-only or just removed: the time does not matter then */
    }
  }

  #relative(hex: string): string {
    return join(hex.slice(0, 2), hex.slice(2))
  }

  #pathOf(digest: string): string | undefined {
    const hex = hexOf(digest)
    return hex === undefined ? undefined : join(this.#directory, this.#relative(hex))
  }
}
