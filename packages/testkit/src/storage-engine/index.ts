/**
 * Conformance suite for storage engines of `@kithmesh/database`.
 *
 * @example
 * import { fork } from 'node:child_process'
 * import { describeStorageEngine } from '@kithmesh/testkit/storage-engine'
 * import { sqliteEngine } from '@kithmesh/database'
 *
 * // crash-writer.js: crashWriter(sqliteEngine, process.argv[2])
 * describeStorageEngine('sqlite', {
 *   factory: sqliteEngine,
 *   spawnWriter: (directory) => fork('crash-writer.js', [directory], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
 * })
 *
 * @packageDocumentation
 */
export { crashWriter } from './crash.ts'
export { describeStorageEngine } from './describe.ts'
export type { StorageEngineHarness } from './harness.ts'
