import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describeStorageEngine } from '@kithmesh/testkit/storage-engine'
import { snapshotEngine, volatileEngine } from './store-engines.ts'

describeStorageEngine('volatile', { factory: volatileEngine })
describeStorageEngine('snapshot', {
  factory: snapshotEngine,
  spawnWriter: (directory) =>
    fork(fileURLToPath(new URL('snapshot-writer.js', import.meta.url)), [directory], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
})
