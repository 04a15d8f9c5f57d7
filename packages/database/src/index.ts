/**
 * JSON documents, revisions and blobs in a durable embedded store.
 *
 * @example
 * import { Database } from '@kithmesh/database'
 *
 * const database = await Database.open('./inventory')
 * const items = database.collection('items', 'inventory', { create: true })
 * items.put('pen', { name: 'Pen', quantity: 3 })
 * console.log(items.get('pen')?.body)
 * await database.close()
 *
 * @packageDocumentation
 */
export type { Blob, BlobStore } from './blobs/blob-store.ts'
export { Collection } from './collection.ts'
export type { DocumentBody, PutEntry, PutOptions, SavedRevision } from './collection.ts'
export type { ChangeEntry, ConflictResolution, ConflictedDocument, DocumentVersioning, RevisionForPush } from './contracts/replication.ts'
export { Database } from './database.ts'
export type { CompactOptions, DatabaseIdentities, OpenOptions } from './open-options.ts'
export { Document } from './document.ts'
export { databaseErrors } from './errors.ts'
export { memoryEngine } from './memory/engine.ts'
export { sqliteEngine } from './sqlite/engine.ts'
export type { SqliteEngineOptions } from './sqlite/engine.ts'
export type { Durability } from './sqlite/schema.ts'
export { MAX_DOCUMENT_SIZE } from './body-check.ts'
