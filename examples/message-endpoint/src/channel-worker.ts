// The other thread of channel.ts: serves its database to each port that it is given.
import { parentPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { Database } from '@kithmesh/database'
import { MessageEndpointListener } from '@kithmesh/replicator'
import { PortConnection } from './port-connection.ts'

const database = await Database.open(':memory:')
for (let n = 1; n <= 20; n++) database.collection().put(`item-${n}`, { name: `Item ${n}`, quantity: n })
const picture = await database.blobs.saveBlob(new Uint8Array(100_000).fill(7), 'application/octet-stream')
database.collection().put('with-picture', { picture: { ...picture } })

const listener = new MessageEndpointListener({ database, protocolType: 'message-stream' })
parentPort?.on('message', async (message: MessagePort | 'end') => {
  if (message !== 'end') {
    listener.accept(new PortConnection(message))
    return
  }
  await listener.closeAll()
  parentPort?.postMessage(database.collection().count)
  await database.close()
  parentPort?.close()
})
