import { asciiOf } from '../bytes.ts'
import { TREE_PREFIX } from '../contracts/storage.ts'
import type {
  StorageEngine,
  StorageEngineFactory,
  StorageReader,
  StorageWriter,
  StoredChange,
  StoredDocument,
  TreePrefix
} from '../contracts/storage.ts'
import { databaseErrors } from '../errors.ts'
import { MemoryCollection } from './memory-collection.ts'
import type { KeptDocument } from './memory-collection.ts'

export interface MemoryEngineOptions {
  /**
   * Bytes are kept and given out as they are, without copies, so that many stores in one process can have the same documents for little: for simulators.
   * Nobody may write into bytes that came from such a store, or that were given to one. @default false
   */
  readonly shareBytes?: boolean
}

/** The engine that keeps everything in this process and nothing on disk; each `open` gives a store of its own. */
export function memoryEngine({ shareBytes = false }: MemoryEngineOptions = {}): StorageEngineFactory {
  return {
    name: 'memory',
    capabilities: Object.freeze({ durable: false, multiProcess: false }),
    open: () => new MemoryEngine(shareBytes ? sharing() : copying)
  }
}

/** Every write notes how to undo it; a failed transaction runs the notes backwards. */
class MemoryEngine implements StorageEngine, StorageWriter {
  readonly #bytes: ByteKeeping
  readonly #collections = new Map<number, MemoryCollection>()
  readonly #values = new Map<string, Map<string, Uint8Array>>()
  readonly #undo: (() => void)[] = []
  #nextCollection = 1
  #inTransaction = false
  #closed = false

  constructor(bytes: ByteKeeping) {
    this.#bytes = bytes
  }

  get reader(): StorageReader {
    return this
  }

  transact<T>(work: (writer: StorageWriter) => T): T {
    this.#check()
    if (this.#inTransaction) throw new TypeError('Transactions cannot be nested')
    this.#inTransaction = true
    try {
      const result = work(this)
      if (typeof (result as { then?: unknown } | null | undefined)?.then === 'function')
        throw new TypeError('The work of a transaction must not be asynchronous')
      return result
    } catch (error) {
      for (const undo of this.#undo.reverse()) undo()
      throw error
    } finally {
      this.#undo.length = 0
      this.#inTransaction = false
    }
  }

  dataVersion(): number {
    this.#check()
    return 1
  }

  compact(): void {
    this.#check()
  }

  checkIntegrity(): void {
    this.#check()
  }

  copyTo(): void {
    throw databaseErrors.create('ERR_DB_UNSUPPORTED', 'A database in memory cannot be copied to disk')
  }

  close(): void {
    this.#closed = true
    this.#collections.clear()
    this.#values.clear()
  }

  collections(): { id: number; scope: string; name: string }[] {
    this.#check()
    return [...this.#collections].map(([id, { scope, name }]) => ({ id, scope, name }))
  }

  get(collection: number, id: string): StoredDocument | undefined {
    const found = this.#collection(collection).get(id)
    return found === undefined ? undefined : this.#bytes.document(found)
  }

  getChange(collection: number, id: string): StoredChange | undefined {
    const found = this.#collection(collection).get(id)
    return found === undefined ? undefined : this.#bytes.change(found)
  }

  changesSince(collection: number, since: number, limit: number): StoredChange[] {
    return this.#collection(collection).since(since, limit).map(this.#bytes.change)
  }

  documentsSince(collection: number, since: number, limit: number): StoredDocument[] {
    return this.#collection(collection).since(since, limit).map(this.#bytes.document)
  }

  documentsAfter(collection: number, after: string, limit: number): StoredDocument[] {
    return this.#collection(collection).liveAfter(after, limit).map(this.#bytes.document)
  }

  lastSequence(collection: number): number {
    return this.#collection(collection).lastSequence
  }

  count(collection: number): number {
    return this.#collection(collection).live
  }

  getValue(space: string, key: string): Uint8Array | undefined {
    this.#check()
    return this.#values.get(space)?.get(key)?.slice()
  }

  valuesIn(space: string): { key: string; value: Uint8Array }[] {
    this.#check()
    return [...(this.#values.get(space) ?? [])].map(([key, value]) => ({ key, value: value.slice() }))
  }

  createCollection(scope: string, name: string): number {
    for (const [id, collection] of this.#collections) {
      if (collection.scope === scope && collection.name === name) return id
    }
    const id = this.#nextCollection++
    this.#collections.set(id, new MemoryCollection(scope, name))
    this.#undo.push(() => {
      this.#collections.delete(id)
    })
    return id
  }

  dropCollection(collection: number): void {
    const dropped = this.#collection(collection)
    this.#collections.delete(collection)
    this.#undo.push(() => {
      this.#collections.set(collection, dropped)
    })
  }

  put(collection: number, document: Omit<StoredDocument, 'sequence'>): number {
    const target = this.#collection(collection)
    const { id, revId, flags, body, tree } = document
    const sequence = target.lastSequence + 1
    const { keep, keepTree } = this.#bytes
    this.#undo.push(
      target.replace(id, { id, revId, flags, sequence, bodySize: body.length, body: keep(body), tree: keepTree(tree) }, sequence)
    )
    return sequence
  }

  putNew(collection: number, document: Omit<StoredDocument, 'sequence'>): number | undefined {
    return this.#collection(collection).get(document.id) === undefined ? this.put(collection, document) : undefined
  }

  update(collection: number, id: string, change: { readonly flags: number; readonly tree: Uint8Array }): void {
    const target = this.#collection(collection)
    const old = target.get(id)
    if (old === undefined) return
    const { revId, sequence, bodySize, body } = old
    // In the order in which `put` has them: documents of one shape are read faster.
    const document = { id: old.id, revId, flags: change.flags, sequence, bodySize, body, tree: this.#bytes.keepTree(change.tree) }
    this.#undo.push(target.replace(id, document, target.lastSequence))
  }

  prefixTree(collection: number, { id, sequence, revId, prefix, unlessFlags }: TreePrefix): boolean {
    const old = this.#collection(collection).get(id)
    if (old?.sequence !== sequence || old.revId !== revId) return false
    if ((old.flags & unlessFlags) !== 0 || old.tree[0] === TREE_PREFIX) return false
    this.update(collection, id, { flags: old.flags, tree: Buffer.concat([prefix, old.tree]) })
    return true
  }

  purge(collection: number, id: string): boolean {
    const target = this.#collection(collection)
    if (target.get(id) === undefined) return false
    this.#undo.push(target.replace(id, undefined, target.lastSequence))
    return true
  }

  setValue(space: string, key: string, value: Uint8Array | undefined): void {
    let values = this.#values.get(space)
    if (values === undefined) this.#values.set(space, (values = new Map()))
    const old = values.get(key)
    const kept = values
    this.#undo.push(() => {
      if (old === undefined) kept.delete(key)
      else kept.set(key, old)
    })
    if (value === undefined) values.delete(key)
    else values.set(key, Uint8Array.from(value))
  }

  #collection(id: number): MemoryCollection {
    this.#check()
    const found = this.#collections.get(id)
    if (found === undefined) throw databaseErrors.create('ERR_DB_NO_COLLECTION', `There is no collection ${id}`)
    return found
  }

  #check(): void {
    if (this.#closed) throw databaseErrors.create('ERR_DB_CLOSED', 'The database is closed')
  }
}

/** What becomes of bytes on their way in and out. */
interface ByteKeeping {
  keep(bytes: Uint8Array): Uint8Array
  /** The same for what comes before a revision, and who has it. */
  keepTree(bytes: Uint8Array): Uint8Array
  document(stored: KeptDocument): StoredDocument
  change(stored: KeptDocument): StoredChange
}

const copying: ByteKeeping = {
  keep: (bytes) => Uint8Array.from(bytes),
  keepTree: (bytes) => Uint8Array.from(bytes),
  document: ({ id, revId, flags, sequence, body, tree }) => ({ id, revId, flags, sequence, body: body.slice(), tree: tree.slice() }),
  change: ({ id, sequence, revId, flags, bodySize, tree }) => ({ id, sequence, revId, flags, bodySize, tree: tree.slice() })
}

const NO_BYTES = Buffer.alloc(0)

/** So long are trees without a history, and so many of them are kept in common. */
const SHORT_TREE = 64
const MAX_SHORT_TREES = 1000

// A small part of a large piece of memory would hold on to all of it.
const alone = (bytes: Uint8Array): Uint8Array => {
  if (bytes.length === 0) return NO_BYTES
  return Buffer.isBuffer(bytes) && bytes.length === bytes.buffer.byteLength ? bytes : Buffer.from(new Uint8Array(bytes).buffer)
}

function sharing(): ByteKeeping {
  // Documents without a history differ in who else has them, and in most stores that is the same few for all.
  const shortTrees = new Map<string, Uint8Array>()
  return {
    keep: alone,
    keepTree(bytes) {
      if (bytes.length === 0 || bytes.length > SHORT_TREE) return alone(bytes)
      const key = asciiOf(bytes)
      let tree = shortTrees.get(key)
      if (tree === undefined) {
        tree = alone(bytes)
        if (shortTrees.size < MAX_SHORT_TREES) shortTrees.set(key, tree)
      }
      return tree
    },
    document: (stored) => stored,
    change: (stored) => stored
  }
}
