import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { duplexPair, type Duplex } from 'node:stream'

/** Makes connected pairs of streams and cleans all of them up. */
export class Streams {
  #server: Server | undefined
  #open: Duplex[] = []

  async tcp(): Promise<[Socket, Socket]> {
    const server = (this.#server ??= createServer().listen(0, '127.0.0.1'))
    if (!server.listening) await once(server, 'listening')
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const client = connect((server.address() as { port: number }).port, '127.0.0.1')
    await once(client, 'connect')
    const [other] = await accepted
    this.#open.push(client, other)
    return [client, other]
  }

  memory(): [Duplex, Duplex] {
    const pair = duplexPair() as [Duplex, Duplex]
    this.#open.push(...pair)
    return pair
  }

  async dispose(): Promise<void> {
    for (const stream of this.#open) {
      stream.on('error', () => {})
      stream.destroy()
    }
    this.#open = []
    const server = this.#server
    this.#server = undefined
    if (server !== undefined) await new Promise((resolve) => server.close(resolve))
  }
}

/** All bytes until the other side ends. */
export async function readAll(stream: Duplex): Promise<string> {
  const parts: Buffer[] = []
  try {
    for await (const part of stream) parts.push(part as Buffer)
  } catch {}
  return Buffer.concat(parts).toString('latin1')
}
