import { blobsIn, mayHaveBlobs, parseBody } from './body-check.ts'
import { canonicalBody } from './canonical-json.ts'
import type { CollectionCore } from './collection-core.ts'
import { changeEntry, insertionContext } from './collection-core.ts'
import type { ChangeEntry, ConflictResolution, ConflictedDocument } from './contracts/replication.ts'
import { DocumentFlag } from './contracts/storage.ts'
import type { StorageWriter } from './contracts/storage.ts'
import { Document } from './document.ts'
import { databaseErrors } from './errors.ts'
import { checkDocumentId } from './names.ts'
import { reservedKey } from './reserved-keys.ts'
import { feed } from './change-feed.ts'

/** A body: an object, or its JSON as text or UTF-8 bytes. JSON given is stored as it is, byte for byte. */
export type DocumentBody = object | string | Uint8Array

export interface PutOptions {
  /** The revision this replaces: refused with ERR_DB_CONFLICT when another one is current. `''`: there must be no document yet. */
  readonly parent?: string
}

/** What a write left behind. */
export interface SavedRevision {
  readonly id: string
  readonly revId: string
  readonly sequence: number
}

export interface PutEntry extends PutOptions {
  readonly id: string
  readonly body: DocumentBody
}

/** Documents of one `scope.collection`. Every call is one transaction and done when it returns. */
export class Collection {
  readonly #core: CollectionCore

  /** @internal */
  constructor(core: CollectionCore) {
    this.#core = core
  }

  get name(): string {
    return this.#core.name
  }
  get scope(): string {
    return this.#core.scope
  }

  /** Documents that are not deleted. */
  get count(): number {
    return this.#core.shared.engine.reader.count(this.#core.id)
  }

  /** The sequence of the latest change, 0 at first. */
  get lastSequence(): number {
    return this.#core.shared.engine.reader.lastSequence(this.#core.id)
  }

  /** The current revision; undefined when there is none or it is deleted (unless `deleted` asks for tombstones too). */
  get(id: string, options: { readonly deleted?: boolean } = {}): Document | undefined {
    const stored = this.#core.shared.engine.reader.get(this.#core.id, id)
    if (stored === undefined) return undefined
    const document = new Document(stored)
    return document.deleted && options.deleted !== true ? undefined : document
  }

  /**
   * Writes a document's next revision. With revision trees the same body on the same parent gives the same revision id, so repeating a
   * call with a parent is harmless; with version vectors every call makes a version.
   * @throws ERR_DB_CONFLICT, ERR_DB_DOCUMENT_ID, ERR_DB_MALFORMED_JSON, ERR_DB_RESERVED_KEY, ERR_DB_TOO_LARGE, ERR_DB_BLOB_MISSING, ERR_DB_DISK_FULL
   */
  put(id: string, body: DocumentBody, options: PutOptions = {}): SavedRevision {
    const prepared = this.#prepare(id, body)
    return this.#core.transact((writer) => this.#write(writer, prepared, options.parent, false))
  }

  /** Writes many documents in one transaction: all or, when one of them is refused, none. For imports; some hundreds to thousands at a time. */
  putMany(entries: Iterable<PutEntry>): SavedRevision[] {
    const prepared = Array.from(entries, (entry) => ({ prepared: this.#prepare(entry.id, entry.body), parent: entry.parent }))
    if (prepared.length === 0) return []
    return this.#core.transact((writer) => prepared.map((entry) => this.#write(writer, entry.prepared, entry.parent, false)))
  }

  /**
   * Deletes a document, leaving a tombstone that tells peers; undefined when there was nothing to delete.
   * @throws ERR_DB_CONFLICT
   */
  remove(id: string, options: PutOptions = {}): SavedRevision | undefined {
    const { engine } = this.#core.shared
    const current = engine.reader.getChange(this.#core.id, id)
    if (current === undefined || ((current.flags & DocumentFlag.deleted) !== 0 && options.parent === undefined)) return undefined
    return this.#core.transact((writer) =>
      this.#write(writer, { id, body: NOTHING, canonical: '{}', hasBlobs: false }, options.parent, true)
    )
  }

  /** Forgets a document without a tombstone: peers are not told, and may bring it back. False when there was none. */
  purge(id: string): boolean {
    return this.#core.purge([id]).length > 0
  }

  /** All documents that are not deleted, in order of their ids (as UTF-8 bytes); `limit` ends it early. Safe to write meanwhile. */
  *documents(options: { readonly after?: string; readonly limit?: number } = {}): Generator<Document, void, undefined> {
    let { after = '', limit: left = Infinity } = options
    while (left > 0) {
      const page = this.#core.shared.engine.reader.documentsAfter(this.#core.id, after, Math.min(left, PAGE))
      for (const stored of page) yield new Document(stored)
      const last = page[page.length - 1]
      if (last === undefined || page.length < Math.min(left, PAGE)) return
      after = last.id
      left -= page.length
    }
  }

  /** Each document changed after `since`, tombstones included, once, in the order of the latest change. */
  changes(options: { readonly since?: number; readonly limit?: number } = {}): ChangeEntry[] {
    const { since = 0, limit = 1000 } = options
    return this.#core.shared.engine.reader.changesSince(this.#core.id, since, limit).map((change) => changeEntry(change))
  }

  /**
   * Calls `listener` after commits of this or another process, once per turn of the event loop; read `changes` from there.
   * The returned function ends it. Listening keeps the process alive until it or the database is ended.
   */
  watch(listener: () => void): () => void {
    return this.#core.shared.hub.listen(this.#core.id, listener)
  }

  /** Changes after `since` (default: from now on) for as long as one wants; ends when `signal` aborts or the database closes. */
  changesFeed(options: { readonly since?: number; readonly signal?: AbortSignal } = {}): AsyncGenerator<ChangeEntry, void, undefined> {
    return feed({
      since: options.since ?? this.lastSequence,
      ends: [options.signal, this.#core.shared.closing],
      read: (since, limit) => this.changes({ since, limit }),
      watch: (listener) => this.watch(listener)
    })
  }

  /** Documents in conflict, with both sides. */
  conflicts(options: { readonly limit?: number; readonly after?: string } = {}): ConflictedDocument[] {
    const { reader } = this.#core.shared.engine
    return this.#core.conflictedIds(options.limit ?? 1000, options.after).flatMap((id) => {
      const stored = reader.get(this.#core.id, id)
      return (stored === undefined ? undefined : this.#core.shared.model.conflictOf(stored)) ?? []
    })
  }

  /**
   * Ends a conflict that `conflicts` reported.
   * @throws ERR_DB_CONFLICT when the document changed since.
   */
  resolve(conflict: ConflictedDocument, resolution: ConflictResolution): SavedRevision {
    return this.#core.resolve(conflict.id, conflict.local.revId, conflict.remote.revId, resolution)
  }

  #prepare(id: string, body: DocumentBody): Prepared {
    checkDocumentId(id)
    const { bytes, value, text } = this.#parse(body)
    const key = reservedKey(value)
    if (key !== undefined)
      throw databaseErrors.create(
        'ERR_DB_RESERVED_KEY',
        `Document ${JSON.stringify(id)} has the reserved top-level key ${JSON.stringify(key)}`
      )
    const blobs = mayHaveBlobs(text) ? blobsIn(value) : []
    for (const { digest } of blobs) {
      if (!this.#core.shared.blobs.has(digest))
        throw databaseErrors.create(
          'ERR_DB_BLOB_MISSING',
          `Document ${JSON.stringify(id)} refers to the blob ${digest}, which is not stored`
        )
    }
    return {
      id,
      body: bytes,
      canonical: this.#core.shared.model.derivesIds
        ? canonicalBody(typeof body === 'string' || body instanceof Uint8Array ? text : '', value)
        : '',
      hasBlobs: blobs.length > 0
    }
  }

  #parse(body: DocumentBody): { bytes: Uint8Array; value: Record<string, unknown>; text: string } {
    const limits = { maxSize: this.#core.shared.maxDocumentSize }
    if (body instanceof Uint8Array) return { bytes: body, ...parseBody(body, limits) }
    if (typeof body !== 'string' && (typeof body !== 'object' || body === null || Array.isArray(body))) {
      throw new TypeError('A body is an object, JSON text or JSON bytes')
    }
    const bytes = Buffer.from(typeof body === 'string' ? body : (JSON.stringify(body) ?? ''))
    return { bytes, ...parseBody(bytes, limits) }
  }

  #write(writer: StorageWriter, prepared: Prepared, parent: string | undefined, deleted: boolean): SavedRevision {
    const existing = writer.get(this.#core.id, prepared.id)
    const document = this.#core.shared.model.planLocal(existing, { ...prepared, deleted, parent }, insertionContext(existing))
    if (document === undefined) return { id: prepared.id, revId: existing?.revId ?? '', sequence: existing?.sequence ?? 0 }
    const sequence = this.#core.store(writer, existing, document)
    return { id: prepared.id, revId: document.revId, sequence }
  }
}

interface Prepared {
  readonly id: string
  readonly body: Uint8Array
  readonly canonical: string
  readonly hasBlobs: boolean
}

const NOTHING = new Uint8Array(0)
const PAGE = 200
