/**
 * What storage engines implement and the two that come with this package.
 *
 * @example
 * import { memoryEngine } from '@kithmesh/database/storage'
 * const engine = memoryEngine().open('')
 * const id = engine.transact((writer) => writer.createCollection('_default', '_default'))
 *
 * @packageDocumentation
 */
export { DocumentFlag, TREE_PREFIX } from './contracts/storage.ts'
export type {
  StorageCapabilities,
  StorageEngine,
  StorageEngineFactory,
  StorageReader,
  StorageWriter,
  StoredChange,
  StoredDocument,
  TreePrefix
} from './contracts/storage.ts'
export { memoryEngine } from './memory/engine.ts'
export type { MemoryEngineOptions } from './memory/engine.ts'
export { sqliteEngine } from './sqlite/engine.ts'
export type { SqliteEngineOptions } from './sqlite/engine.ts'
export type { Durability } from './sqlite/schema.ts'
