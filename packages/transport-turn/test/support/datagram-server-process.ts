import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import NodeTurn from 'node-turn'

// The library cannot take any free port: one that was free a moment ago is the nearest thing.
const probe = createSocket('udp4').bind(0, '127.0.0.1')
await once(probe, 'listening')
const { port } = probe.address()
probe.close()
const server = new NodeTurn({
  listeningIps: ['127.0.0.1'],
  relayIps: ['127.0.0.1'],
  listeningPort: port,
  authMech: 'long-term',
  credentials: { user: 'password' },
  log: () => {}
})
server.start()
// Its socket is bound in a later turn.
await once(server.network.sockets[0]!, 'listening')
process.send!(port)
process.once('disconnect', () => {
  process.exit()
})
