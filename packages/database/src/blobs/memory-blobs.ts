import type { BlobReader, BlobWriter } from '../contracts/replication.ts'
import { databaseErrors } from '../errors.ts'
import type { Blob, ManagedBlobStore } from './blob-store.ts'
import { blobHash, checkArrived, digestOf, requireHex } from './digest.ts'

/** Blobs of a database in memory. */
export class MemoryBlobs implements ManagedBlobStore {
  readonly #blobs = new Map<string, Buffer>()

  has(digest: string): boolean {
    return this.#blobs.has(digest)
  }

  size(digest: string): number | undefined {
    return this.#blobs.get(digest)?.length
  }

  async read(digest: string): Promise<Buffer | undefined> {
    const bytes = this.#blobs.get(digest)
    return bytes === undefined ? undefined : Buffer.from(bytes)
  }

  openRead(digest: string): AsyncIterable<Buffer> | undefined {
    const bytes = this.#blobs.get(digest)
    if (bytes === undefined) return undefined
    return (async function* () {
      for (let offset = 0; offset < bytes.length; offset += 65536) yield Buffer.from(bytes.subarray(offset, offset + 65536))
    })()
  }

  readNow(digest: string, maxBytes: number): Buffer | undefined {
    const bytes = this.#blobs.get(digest)
    return bytes === undefined || bytes.length > maxBytes ? undefined : Buffer.from(bytes)
  }

  openReader(digest: string, maxBytes = Infinity): BlobReader | undefined {
    const bytes = this.#blobs.get(digest)
    if (bytes === undefined || bytes.length > maxBytes) return undefined
    return {
      length: bytes.length,
      read: (target, offset, length, position) => {
        target.set(bytes.subarray(position, position + length), offset)
      },
      close: () => {}
    }
  }

  openWrite(expected: { readonly digest: string; readonly length?: number }): BlobWriter {
    requireHex(expected.digest)
    let pieces: Uint8Array[] = []
    return {
      write: (piece) => {
        pieces.push(Uint8Array.from(piece))
        return undefined
      },
      commit: async () => {
        const bytes = Buffer.concat(pieces)
        pieces = []
        checkArrived(expected, digestOf(blobHash().update(bytes)), bytes.length)
        this.#blobs.set(expected.digest, bytes)
      },
      abort: async () => {
        pieces = []
      }
    }
  }

  async saveBlob(content: Uint8Array | AsyncIterable<Uint8Array>, contentType?: string): Promise<Blob> {
    const pieces: Uint8Array[] = []
    if (content instanceof Uint8Array) pieces.push(content)
    else for await (const piece of content) pieces.push(piece)
    const bytes = Buffer.concat(pieces)
    const digest = digestOf(blobHash().update(bytes))
    this.#blobs.set(digest, bytes)
    return { '@type': 'blob', digest, length: bytes.length, ...(contentType === undefined ? {} : { content_type: contentType }) }
  }

  async readBlob(blob: { readonly digest: string } | string): Promise<Buffer | undefined> {
    return await this.read(typeof blob === 'string' ? blob : blob.digest)
  }

  /** Nothing in memory outlives its session, so age is not looked at. */
  sweep(wanted: ReadonlySet<string>, idleMs: number): number {
    if (idleMs > 0) return 0
    const unwanted = [...this.#blobs.keys()].filter((digest) => !wanted.has(digest))
    for (const digest of unwanted) this.#blobs.delete(digest)
    return unwanted.length
  }

  copyTo(): void {
    throw databaseErrors.create('ERR_DB_UNSUPPORTED', 'A database in memory cannot be copied to disk')
  }
}
