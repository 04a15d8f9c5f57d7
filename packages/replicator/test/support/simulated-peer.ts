import { createHash } from 'node:crypto'
import { Database } from '@kithmesh/database'
import { generationOf, replicationStore } from '@kithmesh/database/replication'
import type { ReplicationCollection, ReplicationStore } from '@kithmesh/database/replication'

/** A peer of a simulated network: a real database in memory. */
export class SimulatedPeer {
  readonly database: Database
  readonly store: ReplicationStore

  private constructor(database: Database) {
    this.database = database
    this.store = replicationStore(database)
  }

  static async create(): Promise<SimulatedPeer> {
    return new SimulatedPeer(await Database.open(':memory:'))
  }

  put(id: string, body: Record<string, unknown>): void {
    this.database.collection().put(id, body as never)
  }

  /** The next revision as a program makes it that numbers its revisions in its own way. */
  putAsForeign(id: string, body: Record<string, unknown>): void {
    const collection = this.store.collection('_default', '_default') as ReplicationCollection
    const current = collection.revision(id)
    if (collection.change(id)?.conflicted === true) return
    const text = JSON.stringify(body)
    const digest = createHash('md5')
      .update((current?.revId ?? '') + text)
      .digest('hex')
    const history = current === undefined ? [] : [current.revId, ...current.history]
    const revId = `${generationOf(history[0] ?? '') + 1}-${digest}`
    collection.insertRevisions([{ id, revId, deleted: false, history, body: Buffer.from(text), hasBlobs: false, onConflict: 'refuse' }])
  }

  delete(id: string): void {
    if (this.database.collection().get(id) !== undefined) this.database.collection().remove(id)
  }

  /** What equal peers have in common: the documents' current revisions and contents. */
  snapshot(): Record<string, string> {
    const collection = this.database.collection()
    return Object.fromEntries(
      collection
        .changes()
        .map(
          ({ id, revId, deleted, conflicted }) =>
            [
              id,
              `${revId} ${deleted ? 'deleted' : (collection.get(id)?.json().toString() ?? '')}${conflicted ? ' in conflict' : ''}`
            ] as const
        )
        .sort(([a], [b]) => (a < b ? -1 : 1))
    )
  }
}
