import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import NodeTurn from 'node-turn'

/** A port that is free. The library cannot take any, and the system gives none of these to somebody else meanwhile. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(22_000, 32_000)
    const probe = createSocket('udp4').bind(port, '127.0.0.1')
    const free = await once(probe, 'listening').then(
      () => true,
      () => false
    )
    await new Promise<void>((resolve) => probe.close(resolve))
    if (free) return port
  }
}

const port = await freePort()
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
