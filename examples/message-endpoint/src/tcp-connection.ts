import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Message, MessagingError } from '@kithmesh/replicator'
import type { MessageEndpointConnection, ReplicatorConnection } from '@kithmesh/replicator'

/** One TCP socket as the connection of a message endpoint of the type byte-stream: the bytes go as they are. Used by both sides. */
export class TcpConnection implements MessageEndpointConnection {
  readonly #connect: () => Promise<Socket>
  #socket: Socket | undefined

  constructor(connect: () => Promise<Socket>) {
    this.#connect = connect
  }

  async open(replicatorConnection: ReplicatorConnection): Promise<void> {
    const socket = await this.#connect()
    this.#socket = socket
    let failure: Error | undefined
    socket.on('data', (data) => {
      if (replicatorConnection.receive(Message.fromData(data))) return
      socket.pause()
      void replicatorConnection.ready().then(() => socket.resume())
    })
    socket.on('error', (error) => {
      failure = error
    })
    // The other side has disconnected: the replicator answers by calling close() below.
    socket.on('end', () => {
      replicatorConnection.close()
    })
    socket.on('close', () => {
      replicatorConnection.close(failure === undefined ? undefined : new MessagingError(failure, true))
    })
  }

  async send(message: Message): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket?.write(message.toData(), (error) => {
        if (error) reject(new MessagingError(error, true))
        else resolve()
      })
    })
  }

  async close(): Promise<void> {
    const socket = this.#socket
    if (socket === undefined || socket.destroyed) return
    const closed = once(socket, 'close')
    socket.destroySoon()
    await closed
  }
}
