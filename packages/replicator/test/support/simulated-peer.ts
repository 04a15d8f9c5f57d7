import { Database } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import type { ReplicationStore } from '@kithmesh/database/replication'

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
            [id, `${revId} ${deleted ? 'deleted' : (collection.get(id)?.json().toString() ?? '')}${conflicted ? ' in conflict' : ''}`] as const
        )
        .sort(([a], [b]) => (a < b ? -1 : 1))
    )
  }
}
