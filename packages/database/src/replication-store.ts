import { asciiOf } from './bytes.ts'
import { CollectionCore } from './collection-core.ts'
import type { ReplicationCollection, ReplicationStore } from './contracts/replication.ts'
import type { Database } from './database.ts'
import { internals } from './internals.ts'
import { ReplicatedCollection } from './replicated-collection.ts'

const PEER_CHECKPOINTS = 'peer checkpoints'
const LOCAL_CHECKPOINTS = 'checkpoints'

/**
 * The view of an open database that replicators work on. Collections made later are found too.
 * @throws ERR_DB_CLOSED
 */
export function replicationStore(database: Database): ReplicationStore {
  const shared = database[internals]
  const { engine } = shared
  const known = new Map<number, ReplicationCollection>()
  return {
    versioning: shared.model.versioning,
    privateUuid: shared.privateUuid,
    publicUuid: shared.publicUuid,
    blobs: shared.blobs,
    collection(scope, name) {
      if (scope === '_default' && name === '_default') database.collection()
      const id = engine.reader.collections().find((collection) => collection.scope === scope && collection.name === name)?.id
      if (id === undefined) return undefined
      let collection = known.get(id)
      if (collection === undefined) known.set(id, (collection = new ReplicatedCollection(new CollectionCore(shared, id, scope, name))))
      return collection
    },
    getPeerCheckpoint(client) {
      const value = engine.reader.getValue(PEER_CHECKPOINTS, client)
      return value === undefined ? undefined : splitCheckpoint(value)
    },
    setPeerCheckpoint(client, rev, body) {
      return engine.transact((writer) => {
        const value = writer.getValue(PEER_CHECKPOINTS, client)
        const current = value === undefined ? '' : splitCheckpoint(value).rev
        if (current !== rev) return undefined
        const next = `${Number.parseInt(current === '' ? '0' : current, 10) + 1}-cc`
        writer.setValue(PEER_CHECKPOINTS, client, Buffer.concat([Buffer.from(`${next}\n`, 'latin1'), body]))
        return next
      })
    },
    getLocalCheckpoint: (id) => engine.reader.getValue(LOCAL_CHECKPOINTS, id),
    setLocalCheckpoint(id, body) {
      engine.transact(
        (writer) => {
          writer.setValue(LOCAL_CHECKPOINTS, id, body)
        },
        { relaxed: true }
      )
    }
  }
}

function splitCheckpoint(value: Uint8Array): { rev: string; body: Uint8Array } {
  const end = value.indexOf(10)
  return { rev: asciiOf(value.subarray(0, end)), body: Buffer.from(value.subarray(end + 1)) }
}
