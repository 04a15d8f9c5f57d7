import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'

/** Reads the first bytes of connections, which are the greetings of TLS, and answers none of them. */
export interface HelloCatcher extends AsyncDisposable {
  /** `turns:` on 127.0.0.1. */
  readonly url: string
  readonly hellos: readonly string[]
}

/** @param hangUp whether it closes connections once it has read */
export async function catchHellos(hangUp: boolean): Promise<HelloCatcher> {
  const hellos: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    socket.once('data', (bytes) => {
      hellos.push(bytes.toString('latin1'))
      if (hangUp) socket.destroy()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `turns:127.0.0.1:${(server.address() as AddressInfo).port}`,
    hellos,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    }
  }
}
