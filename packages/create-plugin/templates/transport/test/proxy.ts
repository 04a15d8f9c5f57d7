import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A proxy on loopback that knows CONNECT and nothing else, or whatever else `answer` does with a connection. */
export async function startProxy(
  answer: (socket: Socket, target: string) => void = tunnel
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
    socket.once('data', (head: Buffer) => {
      socket.pause()
      answer(socket, /^CONNECT (\S+) HTTP/.exec(head.toString('latin1'))?.[1] ?? '')
    })
  })
  const port = await listening(server)
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    }
  }
}

/** Connects to the target, and from then on passes on bytes, ends and cuts. */
function tunnel(socket: Socket, target: string): void {
  const { hostname, port } = new URL(`tcp://${target}`)
  const other = connect({ host: hostname, port: Number(port), allowHalfOpen: true, noDelay: true })
  other.on('error', () => {
    if (other.connecting || other.readyState === 'closed') socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
  })
  other.once('connect', () => {
    socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
    for (const [from, to] of [
      [socket, other],
      [other, socket]
    ] as const) {
      from.pipe(to)
      from.once('close', () => {
        if (from.errored !== null || !from.readableEnded) to.destroy()
      })
    }
  })
  socket.once('close', () => {
    if (other.connecting) other.destroy()
  })
}

/** The port that a server got on loopback. */
export async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
