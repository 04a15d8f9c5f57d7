import { randomBytes } from 'node:crypto'
import { Database } from '@kithmesh/database'
import type { Collection } from '@kithmesh/database'
import { defaultConflictResolver } from '@kithmesh/replicator'
import type { ConflictResolver } from '@kithmesh/replicator'
import { drawPicture } from '../model/draw.ts'
import type { Picture } from '../model/item.ts'
import { type List, readList, writeList } from '../model/list-document.ts'
import { isDecision, resolveLists } from '../model/resolve.ts'
import { type ConflictRecord, isConflictId, newConflictId, readConflict, writeConflict } from '../model/conflict-record.ts'

/** The documents of the sample, as in `samplelist.json`: by the second half of their ids. */
export type Sample = Readonly<Record<string, Readonly<Record<string, unknown>>>>

const PREFIX = 'list:'
const LIST_ID = `${PREFIX}inventory`
const KEPT_CONFLICTS = 30

/** One user's inventory in a database of its own. */
export class InventoryStore {
  readonly database: Database
  /** Names this database among all that have the list, see `by` of an item. Never replicated. */
  readonly writer: string
  readonly #documents: Collection
  #conflicts: readonly ConflictRecord[] = []
  #conflictsAt = -1

  private constructor(database: Database, writer: string) {
    this.database = database
    this.writer = writer
    this.#documents = database.collection()
  }

  /** Opens the database in the directory, or makes one with the sample in it. */
  static async open(directory: string, sample: Sample): Promise<InventoryStore> {
    const database = await Database.open(directory)
    try {
      const local = database.collection('local', 'inventory', { create: true })
      const known = local.get('writer')?.body['name']
      const writer = typeof known === 'string' ? known : randomBytes(4).toString('hex')
      const store = new InventoryStore(database, writer)
      if (known === undefined) {
        await store.#load(sample)
        local.put('writer', { name: writer })
      }
      return store
    } catch (error) {
      await database.close()
      throw error
    }
  }

  get list(): List {
    return readList(this.#documents.get(LIST_ID)?.body ?? {})
  }

  /** Changes the list. Reading, changing and writing are one step, which nothing comes between. */
  edit(change: (list: List, writer: string) => List): void {
    const current = this.#documents.get(LIST_ID)
    const before = readList(current?.body ?? {})
    const after = change(before, this.writer)
    if (after !== before)
      this.#documents.put(LIST_ID, writeList(after, current?.body), current === undefined ? {} : { parent: current.revId })
  }

  /** Calls back after any change, here or by replication. The returned function ends it. */
  watch(changed: () => void): () => void {
    return this.#documents.watch(changed)
  }

  async savePicture(bytes: Uint8Array, type: string): Promise<Picture> {
    return await this.database.blobs.saveBlob(bytes, type)
  }

  async picture(digest: string): Promise<Buffer | undefined> {
    return await this.database.blobs.readBlob(digest)
  }

  hasPicture(digest: string): boolean {
    return this.database.blobs.has(digest)
  }

  /** The conflicts that were decided here or elsewhere, the latest first. */
  get conflicts(): readonly ConflictRecord[] {
    if (this.#conflictsAt !== this.#documents.lastSequence) {
      this.#conflicts = this.#readConflicts()
      this.#conflictsAt = this.#documents.lastSequence
    }
    return this.#conflicts
  }

  /**
   * The resolver for replications: merges the list item by item, and writes down what it decided, as a document, so that everybody gets to see it.
   * @param between Who decides, and with whom.
   */
  resolver(between: readonly [here: string, there: string]): ConflictResolver {
    return (conflict) => {
      const { id, local, remote } = conflict
      if (id !== LIST_ID) return defaultConflictResolver(conflict)
      if (local.deleted || remote.deleted) return { take: local.deleted ? 'remote' : 'local' }
      const { merged, decisions } = resolveLists(readList(local.body), readList(remote.body))
      // Keys of other applications: the same choice on both sides.
      const [first, second] = local.revId < remote.revId ? [local, remote] : [remote, local]
      const at = new Date().toISOString()
      if (isDecision(decisions)) this.#note({ id: newConflictId(at), at, between, revisions: [local.revId, remote.revId], decisions })
      return { take: 'merged', body: writeList(merged, { ...first.body, ...second.body }) }
    }
  }

  async close(): Promise<void> {
    await this.database.close()
  }

  /** The sample with freshly drawn pictures. Equal on all devices, so that it is no conflict when they meet. */
  async #load(sample: Sample): Promise<void> {
    for (const [name, body] of Object.entries(sample)) {
      const entries = Array.isArray(body['list']) ? (body['list'] as Record<string, unknown>[]) : []
      const list = await Promise.all(
        entries.map(async (entry) => ({
          ...entry,
          image: await this.savePicture(drawPicture(String(entry['key'])), 'image/png')
        }))
      )
      const id = PREFIX + name
      if (this.#documents.get(id, { deleted: true }) === undefined) this.#documents.put(id, writeList(readList({ list }), body))
    }
  }

  #note(record: ConflictRecord): void {
    this.#documents.put(record.id, writeConflict(record))
  }

  /** Everybody's records come here, so everybody forgets the older ones; purging is not replicated. */
  #readConflicts(): ConflictRecord[] {
    const ids = [...this.#documents.documents()].map(({ id }) => id).filter(isConflictId)
    for (const id of ids.slice(0, -KEPT_CONFLICTS)) this.#documents.purge(id)
    return ids
      .slice(-KEPT_CONFLICTS)
      .reverse()
      .flatMap((id) => readConflict(id, this.#documents.get(id)?.body ?? {}) ?? [])
  }
}
