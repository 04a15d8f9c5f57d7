// Two databases replicate over a plain TCP socket: `node examples/message-endpoint/dist/tcp.js`.
// The transport authenticates nobody; see README.md of @kithmesh/replicator.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { Database } from '@kithmesh/database'
import { MessageEndpoint, MessageEndpointListener, Replicator } from '@kithmesh/replicator'
import { TcpConnection } from './tcp-connection.ts'

const warehouse = await Database.open(':memory:')
const shop = await Database.open(':memory:')
for (let n = 1; n <= 20; n++) warehouse.collection().put(`item-${n}`, { name: `Item ${n}`, quantity: n })
shop.collection().put('order-1', { item: 'item-7', quantity: 2 })

const listener = new MessageEndpointListener({ database: warehouse, protocolType: 'byte-stream' })
listener.onChange(({ status }) => {
  console.log(`warehouse: the connection is ${status.activity}`)
})
const server = createServer((socket) => {
  listener.accept(new TcpConnection(async () => socket))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

const endpoint = new MessageEndpoint('warehouse', server.address() as AddressInfo, 'byte-stream', {
  createConnection: ({ target }) =>
    new TcpConnection(async () => {
      const socket = connect(target.port, target.address)
      await once(socket, 'connect')
      return socket
    })
})
const replicator = new Replicator({ database: shop, endpoint })
replicator.start()
const { progress, error } = await replicator.finished()
console.log(`shop: ${progress.documents} documents replicated over TCP`)
console.log(`shop has ${shop.collection().count} documents, warehouse has ${warehouse.collection().count}`)

await listener.closeAll()
server.close()
await shop.close()
await warehouse.close()
if (error !== undefined) throw error
