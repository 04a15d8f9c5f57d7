import type { MessagePort } from 'node:worker_threads'
import { Message, MessagingError } from '@kithmesh/replicator'
import type { MessageEndpointConnection, ReplicatorConnection } from '@kithmesh/replicator'

/** What goes through the port: a message, or the other side's word that it has taken one. */
type Posted = Uint8Array | 'taken'

/**
 * One end of a MessageChannel as the connection of a message endpoint of the type message-stream. A port queues without a bound, so
 * each message is acknowledged and the next waits for that.
 */
export class PortConnection implements MessageEndpointConnection {
  readonly #port: MessagePort
  #taken: () => void = () => {}

  constructor(port: MessagePort) {
    this.#port = port
  }

  async open(replicatorConnection: ReplicatorConnection): Promise<void> {
    this.#port.on('message', (posted: Posted) => {
      if (posted === 'taken') {
        this.#taken()
        return
      }
      replicatorConnection.receive(Message.fromData(posted))
      void replicatorConnection.ready().then(() => this.#port.postMessage('taken'))
    })
    this.#port.on('messageerror', (error) => {
      replicatorConnection.close(new MessagingError(error, false))
    })
    // Either end was closed: the replicator answers by calling close() below.
    this.#port.on('close', () => {
      replicatorConnection.close()
    })
  }

  async send(message: Message): Promise<void> {
    const taken = new Promise<void>((resolve) => {
      this.#taken = resolve
    })
    // A copy of its own, because posting a view would copy the whole buffer beneath it.
    const data = Uint8Array.from(message.toData())
    this.#port.postMessage(data, [data.buffer])
    await taken
  }

  async close(): Promise<void> {
    this.#port.close()
  }
}
