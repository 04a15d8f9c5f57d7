import { TREE_PREFIX } from '@kithmesh/database/storage'
import type { StorageEngine, StorageEngineFactory, StorageReader, StorageWriter } from '@kithmesh/database/storage'
import { snapshotEngine, snapshots, volatileEngine } from '../store-engines.ts'

function mutant(base: StorageEngineFactory, change: (engine: StorageEngine) => Partial<StorageEngine>): StorageEngineFactory {
  return {
    ...base,
    open(directory) {
      const engine = base.open(directory)
      return {
        transact: (work) => engine.transact(work),
        reader: engine.reader,
        dataVersion: () => engine.dataVersion(),
        compact: () => {
          engine.compact()
        },
        checkIntegrity: () => {
          engine.checkIntegrity()
        },
        copyTo: (target) => {
          engine.copyTo(target)
        },
        close: () => {
          engine.close()
        },
        ...change(engine)
      }
    }
  }
}

const withWriter = (base: StorageEngineFactory, change: (writer: StorageWriter) => Partial<StorageWriter>): StorageEngineFactory =>
  mutant(base, (engine) => ({ transact: (work) => engine.transact((writer) => work({ ...writer, ...change(writer) })) }))

/** Keeps what was written before the work threw. */
export const keepsHalfTransactions = mutant(volatileEngine, (engine) => ({
  transact(work) {
    const outcome = engine.transact((writer) => {
      try {
        return { result: work(writer) }
      } catch (error) {
        return { error }
      }
    })
    if ('error' in outcome) throw outcome.error
    return outcome.result
  }
}))

const utf16 = (reader: StorageReader): Pick<StorageReader, 'documentsAfter'> => ({
  documentsAfter: (collection, after, limit) =>
    reader
      .documentsAfter(collection, '', 1_000_000)
      .filter(({ id }) => id > after)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit)
})

/** Orders ids as JavaScript does. */
export const ordersByUtf16 = mutant(volatileEngine, (engine) => ({ reader: { ...engine.reader, ...utf16(engine.reader) } }))

/** Counts tombstones. */
export const countsTombstones = mutant(volatileEngine, (engine) => ({
  reader: { ...engine.reader, count: (collection) => engine.reader.changesSince(collection, 0, 1_000_000).length }
}))

/** Gives an updated document a new sequence. */
export const bumpsOnUpdate = withWriter(volatileEngine, (writer) => ({
  update(collection, id, change) {
    const stored = writer.get(collection, id)
    if (stored !== undefined) writer.put(collection, { ...stored, ...change })
  }
}))

const prefixing = (join: (prefix: Uint8Array, tree: Uint8Array) => Uint8Array): StorageEngineFactory =>
  withWriter(volatileEngine, (writer) => ({
    prefixTree(collection, { id, sequence, revId, prefix, unlessFlags }) {
      const stored = writer.get(collection, id)
      if (stored?.sequence !== sequence || stored.revId !== revId || (stored.flags & unlessFlags) !== 0) return false
      const tree = join(prefix, stored.tree)
      if (tree !== stored.tree) writer.update(collection, id, { flags: stored.flags, tree })
      return tree !== stored.tree
    }
  }))

/** Joins the bytes of trees as text, which changes what is no UTF-8. */
export const takesTreesForText = prefixing((prefix, tree) =>
  tree[0] === TREE_PREFIX ? tree : Buffer.from(Buffer.from(prefix).toString() + Buffer.from(tree).toString())
)

/** Puts a second prefix before the first. */
export const prefixesTwice = prefixing((prefix, tree) => Buffer.concat([prefix, tree]))

/** Leaves all trees out of lists of changes. */
export const hidesPrefixes = mutant(volatileEngine, (engine) => ({
  reader: {
    ...engine.reader,
    changesSince: (...range) => engine.reader.changesSince(...range).map((change) => ({ ...change, tree: Buffer.alloc(0) }))
  }
}))

/** Acknowledges at once, and writes with every third transaction and at close. */
export const writesLater = snapshots(3)

/** Believes whatever is on disk. */
export const checksNothing: StorageEngineFactory = mutant(
  {
    ...snapshotEngine,
    open(directory) {
      try {
        return snapshotEngine.open(directory)
      } catch {
        return volatileEngine.open(directory)
      }
    }
  },
  () => ({ checkIntegrity() {} })
)
