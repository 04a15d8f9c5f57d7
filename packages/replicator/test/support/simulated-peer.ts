import { createHash } from 'node:crypto'
import { Database } from '@kithmesh/database'
import { generationOf, replicationStore } from '@kithmesh/database/replication'
import type { DocumentVersioning, ReplicationCollection, ReplicationStore } from '@kithmesh/database/replication'
import { systemClock } from '@kithmesh/core'

/** What the clocks of simulated peers show. */
export const START = Date.UTC(2026, 0, 1)
const FOREIGN = 'CydEP/CaRXquiahQgvS49A'

/** A peer of a simulated network. */
export interface NetworkPeer {
  readonly store: ReplicationStore
  put(id: string, body: Record<string, unknown>): void
  /** Another device edits the document, and this peer has it from there. */
  putAsForeign(id: string, body: Record<string, unknown>): void
  delete(id: string): void
  /** What equal peers have in common: the documents' current revisions and contents. */
  snapshot(): Record<string, string>
}

/** A peer of a simulated network: a real database in memory. */
export class SimulatedPeer implements NetworkPeer {
  readonly database: Database
  readonly store: ReplicationStore
  #foreignTime = BigInt(START) * 1_000_000n

  private constructor(database: Database) {
    this.database = database
    this.store = replicationStore(database)
  }

  /** @param skewMs How far its clock is ahead. The clock stands, so that peers often make changes at the same time. */
  static async create(versioning: DocumentVersioning = 'rev-trees', skewMs = 0): Promise<SimulatedPeer> {
    const clock = { ...systemClock, now: () => START + skewMs }
    return new SimulatedPeer(await Database.open(':memory:', { versioning, clock }))
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
    if (this.store.versioning === 'version-vectors') {
      this.#putAsForeignVersion(collection, id, text)
      return
    }
    const digest = createHash('md5')
      .update((current?.revId ?? '') + text)
      .digest('hex')
    const history = current === undefined ? [] : [current.revId, ...current.history]
    const revId = `${generationOf(history[0] ?? '') + 1}-${digest}`
    collection.insertRevisions([{ id, revId, deleted: false, history, body: Buffer.from(text), hasBlobs: false, onConflict: 'refuse' }])
  }

  /** An edit by another device, without one of its own between. */
  #putAsForeignVersion(collection: ReplicationCollection, id: string, text: string): void {
    const current = collection.revision(id)
    const known = current === undefined ? [] : [current.revId, ...current.history]
    const times = known.map((version) => BigInt(`0x${version.slice(0, version.indexOf('@'))}`))
    for (const time of times) if (time > this.#foreignTime) this.#foreignTime = time
    this.#foreignTime++
    const history = known.filter(
      (version, i) => !version.endsWith(FOREIGN) && known.findIndex((v) => v.split('@')[1] === version.split('@')[1]) === i
    )
    const revision = { id, deleted: false, history, body: Buffer.from(text), hasBlobs: false, onConflict: 'refuse' as const }
    collection.insertRevisions([{ ...revision, revId: `${this.#foreignTime.toString(16)}@${FOREIGN}` }])
  }

  delete(id: string): void {
    if (this.database.collection().get(id) !== undefined) this.database.collection().remove(id)
  }

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
