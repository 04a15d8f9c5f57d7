/*
 * Runs inside a network namespace of its own, see happy-eyeballs.spec.ts: nobody is at the other end of `d0`, so 192.0.2.0/24 swallows
 * everything for a while. Prints one line of JSON.
 */
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { once } from 'node:events'
import { createTcpListener, dial } from '@kithmesh/transport-direct'

const server = createServer((socket) => {
  socket.on('error', () => {}).resume()
}).listen(0, '::')
await once(server, 'listening')
const { port } = server.address() as { port: number }
const linkLocal = networkInterfaces()['d0']?.find(({ address }) => address.startsWith('fe80:'))?.address ?? 'none'

async function run(addresses: string[], options: { staggerMs?: number; deadlineMs?: number } = {}): Promise<unknown> {
  const tried: string[] = []
  try {
    const socket = await dial({
      host: 'peer.local',
      port,
      addresses,
      ...options,
      progress: (_phase, address) => {
        tried.push(address ?? '')
      }
    })
    const won = socket.remoteAddress
    socket.destroy()
    return { tried, won }
  } catch (error) {
    const { code, details } = error as { code: string; details: Record<string, unknown> }
    return { tried, code, details }
  }
}

const listener = await createTcpListener({
  onConnection: (stream) => {
    stream.destroy()
  }
})
const result = {
  port,
  linkLocal,
  staggered: await run(['192.0.2.1', '192.0.2.2', '127.0.0.1']),
  // Others than above: of those, the kernel may find out meanwhile that nobody has them.
  timeout: await run(['192.0.2.3', '192.0.2.4'], { deadlineMs: 400, staggerMs: 50 }),
  zone: await run([`${linkLocal}%d0`]),
  listening: listener.addresses,
  listenerPort: listener.port
}
await listener.close()
process.stdout.write(JSON.stringify(result) + '\n', () => {
  process.exit(0)
})
