// The application's transport of a message endpoint, in memory: an endpoint whose connections lead to a listener in the same process.
import { Message, MessageEndpoint, MessageEndpointListener } from '@kithmesh/replicator'

/** One end. Byte streams are cut into pieces that have nothing to do with the messages. */
class MemoryConnection {
  #bytes
  other
  replicator

  constructor(type) {
    this.#bytes = type === 'byte-stream'
  }

  async open(replicatorConnection) {
    this.replicator = replicatorConnection
    await this.opened?.()
  }

  async send(message) {
    const data = message.toData()
    for (let at = 0, step = 1; at < data.length; at += step, step = step * 3 + 1) {
      if (!this.#bytes) step = data.length
      const { other } = this
      if (other?.replicator?.receive(Message.fromData(Buffer.from(data.subarray(at, at + step)))) === false) await other.replicator.ready()
    }
  }

  async close() {
    const { other } = this
    this.other = undefined
    if (other !== undefined) setImmediate(() => other.disconnected())
  }

  disconnected() {
    if (this.other === undefined) return
    this.other = undefined
    this.replicator?.close()
  }
}

/** A listener for `options` (those of MessageEndpointListener) and the endpoint that leads to it. */
export function memoryLink(type, options, uid = 'memory-peer') {
  const listener = new MessageEndpointListener({ protocolType: type, ...options })
  const endpoint = new MessageEndpoint(uid, undefined, type, {
    createConnection: () => {
      const [active, passive] = [new MemoryConnection(type), new MemoryConnection(type)]
      active.other = passive
      passive.other = active
      active.opened = () => {
        listener.accept(passive)
      }
      return active
    }
  })
  return { listener, endpoint, stop: () => listener.closeAll() }
}
