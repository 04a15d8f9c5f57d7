import { Database } from '@kithmesh/database'
import type { DocumentVersioning } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import type { ReplicationCollection, ReplicationStore } from '@kithmesh/database/replication'

/** A store that can be brought into the state in which a recording found a real one. */
export interface RecordedStore extends ReplicationStore {
  collection(scope: string, name: string): RecordedCollection | undefined
  /** Stores what a peer's checkpoint was. */
  readonly peerCheckpoints: { set(client: string, value: { readonly rev: string; readonly body: Uint8Array }): unknown }
  /** Stores a blob. */
  putBlob(bytes: Buffer): Promise<unknown>
}

export interface RecordedCollection extends ReplicationCollection {
  /** Burns sequences. */
  setSequence(sequence: number): void
}

const BURNT = 'burnt'

/** The database itself in a recording's state. */
export async function recordedDatabase(collections: readonly string[], versioning: DocumentVersioning): Promise<RecordedStore> {
  const database = await Database.open(':memory:', { versioning })
  const store = replicationStore(database)
  const found = new Map<string, RecordedCollection>()
  for (const path of collections) {
    const [scope, name] = path.includes('.') ? (path.split('.') as [string, string]) : ['_default', path]
    const documents = database.collection(name, scope, { create: true })
    const collection = store.collection(scope, name) as ReplicationCollection
    const setSequence = (sequence: number): void => {
      if (collection.lastSequence >= sequence) return
      while (collection.lastSequence < sequence) documents.put(BURNT, {})
      documents.purge(BURNT)
    }
    found.set(`${scope}.${name}`, Object.assign(collection, { setSequence }))
  }
  return Object.assign(store, {
    collection: (scope: string, name: string) => found.get(`${scope}.${name}`),
    putBlob: (bytes: Buffer) => database.blobs.saveBlob(bytes, 'application/octet-stream'),
    peerCheckpoints: {
      set: (client: string, { rev, body }: { readonly rev: string; readonly body: Uint8Array }): void => {
        for (let now = ''; now !== rev; ) now = store.setPeerCheckpoint(client, now, body) as string
      }
    }
  })
}
