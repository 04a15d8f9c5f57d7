// Databases of two threads replicate over MessageChannels, one channel per connection: `node examples/message-endpoint/dist/channel.js`.
import { once } from 'node:events'
import { MessageChannel, Worker } from 'node:worker_threads'
import { Database } from '@kithmesh/database'
import { MessageEndpoint, Replicator } from '@kithmesh/replicator'
import { PortConnection } from './port-connection.ts'

const worker = new Worker(new URL('channel-worker.js', import.meta.url))
const database = await Database.open(':memory:')
database.collection().put('order-1', { item: 'item-7', quantity: 2 })

const endpoint = new MessageEndpoint('the worker', worker, 'message-stream', {
  createConnection: ({ target }) => {
    const { port1, port2 } = new MessageChannel()
    target.postMessage(port2, [port2])
    return new PortConnection(port1)
  }
})
const replicator = new Replicator({ database, endpoint })
replicator.start()
const { progress, error } = await replicator.finished()
console.log(`main thread: ${progress.documents} documents replicated over a MessageChannel`)
const picture = database.collection().get('with-picture')?.body['picture'] as { digest: string }
console.log(`main thread: the picture has ${(await database.blobs.readBlob(picture))?.length} bytes`)

worker.postMessage('end')
const [count] = (await once(worker, 'message')) as [number]
console.log(`main thread has ${database.collection().count} documents, the worker has ${count}`)
await database.close()
if (error !== undefined) throw error
