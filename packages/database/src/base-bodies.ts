import { asBuffer } from './bytes.ts'
import type { DeltaPeer, RevisionForPush } from './contracts/replication.ts'
import { DocumentFlag } from './contracts/storage.ts'
import type { StorageEngine, StorageReader, StorageWriter, StoredChange, StoredDocument } from './contracts/storage.ts'
import type { StorableDocument } from './revision-model.ts'
import { allRemoteRevisions } from './remote-list.ts'

/** Smaller bodies are never sent as deltas (delta.md §1), so they are no bases either. */
const MIN_BASE_BYTES = 200
/** Bodies kept per document, and how many of them for peers whose revision nobody notes. */
const MAX_BASES = 4
const MAX_ANONYMOUS = 2

/** Which collections keep bases, and up to which sequence peers that are not noted by name have their changes. */
const USED_SPACE = 'bases'

interface Use {
  /** A peer said that it takes deltas. Otherwise it may still say so. */
  readonly sure: boolean
  /** Peers that are not noted by name have all changes up to here. */
  readonly served: number
  /** The same as last stored. */
  readonly stored: number
}

type Rival = Pick<RevisionForPush, 'revId' | 'deleted' | 'body'>

interface Base {
  readonly revId: string
  /** Peers without a name may be at this revision: it came from one, or was served to one. */
  readonly anonymous: boolean
  readonly body: Uint8Array
}

/**
 * Bodies of revisions that were replaced here while peers may still be at them, to make deltas from. Nothing is kept, and no document costs anything,
 * in a collection that no peer taking deltas replicates. The documents that have some carry a flag, so that the others are never looked up.
 */
export class BaseBodies {
  readonly #engine: StorageEngine
  /** What is known of a collection; undefined while it keeps no bases. */
  readonly #uses = new Map<number, Use | undefined>()

  constructor(engine: StorageEngine) {
    this.#engine = engine
  }

  /** A peer of the collection takes deltas, does not, or will say so later. */
  learn(collection: number, { takesDeltas, served = 0, durably = false }: DeltaPeer): void {
    const use = this.#useOf(collection)
    if (takesDeltas !== true) {
      if (takesDeltas === undefined && use === undefined) this.#uses.set(collection, { sure: false, served: 0, stored: 0 })
      else if (takesDeltas === false && use?.sure === false) this.#uses.set(collection, undefined)
      return
    }
    const highest = Math.max(served, use?.served ?? 0)
    const isNews = use?.sure !== true || (durably && highest > use.stored)
    if (isNews) this.#engine.transact((writer) => storeServed(writer, collection, highest), { relaxed: true })
    if (isNews || highest > use.served) this.#uses.set(collection, { sure: true, served: highest, stored: isNews ? highest : use.stored })
  }

  /**
   * A document's winner is replaced: keeps its body if a peer may be at it, and lets go of what no peer is at any more.
   * @param remotes the list of remotes after the change.
   * @param rival the side of a conflict that ends with the change, and that a remote may be at.
   * @returns the flag to store with the document.
   */
  replace(
    writer: StorageWriter,
    collection: number,
    existing: StoredDocument,
    document: StorableDocument,
    remotes: string,
    rival?: Rival
  ): number {
    const had = existing.flags & DocumentFlag.hasBases
    if (document.revId === existing.revId && rival === undefined) return had
    if (had === 0 && rival === undefined && existing.body.length < MIN_BASE_BYTES) return 0
    const use = this.#useOf(collection)
    if (use === undefined && had === 0) return 0
    const old = had === 0 ? [] : this.#read(writer, collection, existing.id)
    const kept: Base[] = []
    if ((document.flags & DocumentFlag.deleted) === 0) {
      const named = allRemoteRevisions(remotes, document.revId)
      const fresh = use === undefined ? [] : [rivalBase(rival, named), replacedBase(existing, use.served, named)]
      let anonymous = 0
      for (const base of [...fresh, ...old]) {
        if (base === undefined || base.revId === document.revId || kept.some(({ revId }) => revId === base.revId)) continue
        if (kept.length === MAX_BASES || !(named.has(base.revId) || (base.anonymous && anonymous < MAX_ANONYMOUS))) continue
        kept.push(base)
        if (base.anonymous) anonymous++
      }
    }
    return this.#write(writer, collection, existing.id, old, kept)
  }

  /** A remote was found to be at another revision. Returns the flag to store with the document. */
  prune(writer: StorageWriter, collection: number, existing: StoredDocument, remotes: string): number {
    if ((existing.flags & DocumentFlag.hasBases) === 0) return 0
    const named = allRemoteRevisions(remotes, existing.revId)
    const old = this.#read(writer, collection, existing.id)
    return this.#write(
      writer,
      collection,
      existing.id,
      old,
      old.filter((base) => base.anonymous || named.has(base.revId))
    )
  }

  /** The body of a revision that was replaced, if it was kept. */
  find(stored: StoredDocument, collection: number, revId: string): Uint8Array | undefined {
    if ((stored.flags & DocumentFlag.hasBases) === 0) return undefined
    return this.#read(this.#engine.reader, collection, stored.id).find((base) => base.revId === revId)?.body
  }

  /** Lets go of the bases of a document that is about to be purged. */
  drop(writer: StorageWriter, collection: number, { id, flags }: StoredChange): void {
    if ((flags & DocumentFlag.hasBases) !== 0) writer.setValue(spaceOf(collection), id, undefined)
  }

  /**
   * Lets go of all bases of a collection that is about to be removed. Only the documents tell whether there are any: another process may have
   * kept them, or this one for a peer that took no deltas after all.
   */
  dropAll(writer: StorageWriter, collection: number): void {
    const space = spaceOf(collection)
    for (let since = 0; ; ) {
      const page = writer.changesSince(collection, since, PAGE)
      for (const { id, flags } of page) if ((flags & DocumentFlag.hasBases) !== 0) writer.setValue(space, id, undefined)
      const last = page[PAGE - 1]
      if (last === undefined) break
      since = last.sequence
    }
    writer.setValue(USED_SPACE, String(collection), undefined)
    this.#uses.delete(collection)
  }

  /** Another process that begins to keep bases is noticed at the next opening. */
  #useOf(collection: number): Use | undefined {
    if (!this.#uses.has(collection)) {
      const stored = servedIn(this.#engine.reader, collection)
      this.#uses.set(collection, stored === undefined ? undefined : { sure: true, served: stored, stored })
    }
    return this.#uses.get(collection)
  }

  #read(reader: StorageReader, collection: number, id: string): Base[] {
    const value = reader.getValue(spaceOf(collection), id)
    return value === undefined ? [] : decode(asBuffer(value))
  }

  #write(writer: StorageWriter, collection: number, id: string, old: readonly Base[], kept: readonly Base[]): number {
    const same = old.length === kept.length && kept.every((base, index) => base === old[index])
    if (!same) writer.setValue(spaceOf(collection), id, kept.length === 0 ? undefined : encode(kept))
    return kept.length === 0 ? 0 : DocumentFlag.hasBases
  }
}

const PAGE = 1000

/** The winner that is replaced, if a peer may be at it. */
function replacedBase(existing: StoredDocument, served: number, named: ReadonlySet<string>): Base | undefined {
  const { revId, flags, body, sequence } = existing
  if (body.length < MIN_BASE_BYTES || (flags & DocumentFlag.deleted) !== 0) return undefined
  const anonymous = (flags & DocumentFlag.received) !== 0 || sequence <= served
  return anonymous || named.has(revId) ? { revId, anonymous, body } : undefined
}

function rivalBase(rival: Rival | undefined, named: ReadonlySet<string>): Base | undefined {
  if (rival === undefined || rival.deleted || rival.body.length < MIN_BASE_BYTES || !named.has(rival.revId)) return undefined
  return { revId: rival.revId, anonymous: false, body: rival.body }
}

function spaceOf(collection: number): string {
  return `bases/${collection}`
}

function servedIn(reader: StorageReader, collection: number): number | undefined {
  const value = reader.getValue(USED_SPACE, String(collection))
  return value === undefined ? undefined : Number(asBuffer(value).toString('latin1'))
}

function storeServed(writer: StorageWriter, collection: number, served: number): void {
  const stored = servedIn(writer, collection)
  if (stored === undefined || served > stored) writer.setValue(USED_SPACE, String(collection), Buffer.from(String(served), 'latin1'))
}

/** Per base: whether it is for anybody (1 byte), lengths of revision id (2) and body (4), then both. */
const HEADER = 7

function encode(bases: readonly Base[]): Buffer {
  return Buffer.concat(
    bases.flatMap(({ revId, anonymous, body }) => {
      const name = Buffer.from(revId)
      const header = Buffer.alloc(HEADER)
      header.writeUInt8(anonymous ? 1 : 0, 0)
      header.writeUInt16BE(name.length, 1)
      header.writeUInt32BE(body.length, 3)
      return [header, name, body]
    })
  )
}

function decode(bytes: Buffer): Base[] {
  const bases: Base[] = []
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const anonymous = bytes.readUInt8(at) === 1
    const bodyAt = at + HEADER + bytes.readUInt16BE(at + 1)
    const end = bodyAt + bytes.readUInt32BE(at + 3)
    bases.push({ revId: bytes.toString('utf8', at + HEADER, bodyAt), anonymous, body: bytes.subarray(bodyAt, end) })
    at = end
  }
  return bases
}
