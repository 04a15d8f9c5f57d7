import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describeStorageEngine } from '@kithmesh/testkit/storage-engine'
import { memoryEngine, sqliteEngine } from '@kithmesh/database'

const writer = fileURLToPath(new URL('./crash-writer.js', import.meta.url))

describeStorageEngine('sqlite', {
  factory: sqliteEngine(),
  spawnWriter: (directory) => fork(writer, [directory], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
})

describeStorageEngine('sqlite with a split index', {
  factory: sqliteEngine({ splitFrom: 4 }),
  spawnWriter: (directory) => fork(writer, [directory, '4'], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
})

describeStorageEngine('memory', { factory: memoryEngine() })
