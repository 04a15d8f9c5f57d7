import type { BlobAccess } from '../contracts/replication.ts'

/** How a document mentions a blob (cbmobile.md §9); put it anywhere into a body. */
export interface Blob {
  readonly '@type': 'blob'
  readonly digest: string
  readonly length: number
  readonly content_type?: string
}

/** The blobs of one database, each stored once whatever mentions it. */
export interface BlobStore extends BlobAccess {
  /** Stores bytes and returns what to put into a document. Durable when it resolves. */
  saveBlob(content: Uint8Array | AsyncIterable<Uint8Array>, contentType?: string): Promise<Blob>
  /** The bytes of a blob, by what a document says or by its digest; undefined when it is not here. */
  readBlob(blob: { readonly digest: string } | string): Promise<Buffer | undefined>
}

/** What the database itself does with its blob store. */
export interface ManagedBlobStore extends BlobStore {
  /** Removes blobs that are not `wanted` and were last written or asked for at least `idleMs` ago; returns how many. */
  sweep(wanted: ReadonlySet<string>, idleMs: number): number
  /** Copies every blob into another directory of blobs. */
  copyTo(directory: string): void
}
