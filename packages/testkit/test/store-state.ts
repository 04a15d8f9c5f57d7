import type { StorageReader, StorageWriter, StoredChange, StoredDocument } from '@kithmesh/database/storage'

interface Collection {
  readonly scope: string
  readonly name: string
  last: number
  readonly documents: Map<string, StoredDocument>
}

/** All that a store holds; plain, so that `v8.serialize` takes it. */
export interface StoreState {
  nextCollection: number
  readonly collections: Map<number, Collection>
  readonly values: Map<string, Map<string, Uint8Array>>
}

export const emptyState = (): StoreState => ({ nextCollection: 1, collections: new Map(), values: new Map() })

/** A copy that can be changed without changing the original; documents are never changed in place. */
export function draftOf(state: StoreState): StoreState {
  return {
    nextCollection: state.nextCollection,
    collections: new Map(
      [...state.collections].map(([id, collection]) => [id, { ...collection, documents: new Map(collection.documents) }])
    ),
    values: new Map([...state.values].map(([space, values]) => [space, new Map(values)]))
  }
}

const copy = (stored: StoredDocument): StoredDocument => ({ ...stored, body: Buffer.from(stored.body), tree: Buffer.from(stored.tree) })
const change = ({ id, sequence, revId, flags, body, tree }: StoredDocument): StoredChange => ({
  id,
  sequence,
  revId,
  flags,
  bodySize: body.length,
  tree: Buffer.from(tree)
})
const live = (stored: StoredDocument): boolean => (stored.flags & 1) === 0

/** Reads whatever `state()` is at the moment of each call. */
export function readerOf(state: () => StoreState): StorageReader {
  const documents = (collection: number): StoredDocument[] => [...(state().collections.get(collection)?.documents.values() ?? [])]
  const since = (collection: number, after: number, limit: number): StoredDocument[] =>
    documents(collection)
      .filter(({ sequence }) => sequence > after)
      .sort((a, b) => a.sequence - b.sequence)
      .slice(0, limit)
  const get = (collection: number, id: string): StoredDocument | undefined => state().collections.get(collection)?.documents.get(id)
  return {
    collections: () => [...state().collections].map(([id, { scope, name }]) => ({ id, scope, name })),
    get(collection, id) {
      const found = get(collection, id)
      return found && copy(found)
    },
    getChange(collection, id) {
      const found = get(collection, id)
      return found && change(found)
    },
    changesSince: (collection, after, limit) => since(collection, after, limit).map(change),
    documentsSince: (collection, after, limit) => since(collection, after, limit).map(copy),
    documentsAfter: (collection, after, limit) =>
      documents(collection)
        .filter((stored) => live(stored) && Buffer.compare(Buffer.from(stored.id), Buffer.from(after)) > 0)
        .sort((a, b) => Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)))
        .slice(0, limit)
        .map(copy),
    lastSequence: (collection) => state().collections.get(collection)?.last ?? 0,
    count: (collection) => documents(collection).filter(live).length,
    getValue(space, key) {
      const value = state().values.get(space)?.get(key)
      return value && Buffer.from(value)
    },
    valuesIn: (space) => [...(state().values.get(space) ?? [])].map(([key, value]) => ({ key, value: Buffer.from(value) }))
  }
}

/** Changes `draft` in place. */
export function writerOf(draft: StoreState): StorageWriter {
  const of = (collection: number): Collection => {
    const found = draft.collections.get(collection)
    if (found === undefined) throw new TypeError(`no collection ${collection}`)
    return found
  }
  return {
    ...readerOf(() => draft),
    createCollection(scope, name) {
      for (const [id, collection] of draft.collections) if (collection.scope === scope && collection.name === name) return id
      const id = draft.nextCollection++
      draft.collections.set(id, { scope, name, last: 0, documents: new Map() })
      return id
    },
    dropCollection(collection) {
      draft.collections.delete(collection)
    },
    put(collection, stored) {
      const owner = of(collection)
      owner.documents.set(stored.id, copy({ ...stored, sequence: ++owner.last }))
      return owner.last
    },
    update(collection, id, { flags, tree }) {
      const found = of(collection).documents.get(id)
      if (found !== undefined) of(collection).documents.set(id, { ...found, flags, tree: Buffer.from(tree) })
    },
    purge: (collection, id) => of(collection).documents.delete(id),
    setValue(space, key, value) {
      if (value === undefined) {
        draft.values.get(space)?.delete(key)
        return
      }
      if (!draft.values.has(space)) draft.values.set(space, new Map())
      draft.values.get(space)?.set(key, Buffer.from(value))
    }
  }
}
