// The application's transport of a message endpoint, in memory: an endpoint whose connections lead to a listener in the same process.
import { Message, MessageEndpoint, MessageEndpointListener, MessagingError } from '@kithmesh/replicator'

/** One end. Byte streams are cut into pieces that have nothing to do with the messages. */
class MemoryConnection {
  #bytes
  #cut
  other
  replicator

  constructor(type, cut) {
    this.#bytes = type === 'byte-stream'
    this.#cut = cut
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
      const piece = data.subarray(at, at + Math.min(step, this.#cut.afterBytes))
      if (other?.replicator?.receive(Message.fromData(Buffer.from(piece))) === false) await other.replicator.ready()
      this.#cut.afterBytes -= piece.length
      if (this.#cut.afterBytes === 0) throw this.#broken()
    }
  }

  /** The line is cut: both ends hear of it as of a network that failed. */
  #broken() {
    this.#cut.afterBytes = Infinity
    const error = new MessagingError(new Error('the line was cut'), true)
    const { other } = this
    this.other = undefined
    if (other !== undefined) {
      other.other = undefined
      setImmediate(() => other.replicator?.close(error))
    }
    return error
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

/**
 * A listener for `options` (those of MessageEndpointListener) and the endpoint that leads to it. Setting `cut.afterBytes` breaks the line
 * after so many more bytes, of both directions together.
 */
export function memoryLink(type, options, uid = 'memory-peer') {
  const cut = { afterBytes: Infinity }
  const listener = new MessageEndpointListener({ protocolType: type, ...options })
  const endpoint = new MessageEndpoint(uid, undefined, type, {
    createConnection: () => {
      const [active, passive] = [new MemoryConnection(type, cut), new MemoryConnection(type, cut)]
      active.other = passive
      passive.other = active
      active.opened = () => {
        listener.accept(passive)
      }
      return active
    }
  })
  return { listener, endpoint, cut, stop: () => listener.closeAll() }
}
