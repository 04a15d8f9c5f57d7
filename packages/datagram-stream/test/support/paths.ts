import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type DatagramPath, type DatagramPathHandlers, udpPath } from '@kithmesh/datagram-stream'

/** A path in memory that a test can look into. */
class TestPath implements DatagramPath {
  other: TestPath | undefined
  /** Whether a datagram passes. */
  passes: (datagram: Buffer) => boolean = () => true
  closed = false
  readonly sent: Buffer[] = []
  #handlers: DatagramPathHandlers | undefined

  open(handlers: DatagramPathHandlers): void {
    this.#handlers = handlers
  }

  send(datagram: Buffer): void {
    this.sent.push(datagram)
    if (!this.passes(datagram)) return
    setImmediate(() => {
      this.other?.inject(Buffer.from(datagram))
    })
  }

  close(): void {
    this.closed = true
    this.#handlers = undefined
  }

  inject(datagram: Buffer): void {
    this.#handlers?.datagram(datagram)
  }

  fail(error: Error): void {
    this.#handlers?.closed(error)
  }
}

export function pathPair(): [TestPath, TestPath] {
  const left = new TestPath()
  const right = new TestPath()
  left.other = right
  right.other = left
  return [left, right]
}

async function boundSocket(): Promise<Socket> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

/** Two UDP sockets on this machine that send to each other. */
export async function udpPaths(): Promise<{ readonly paths: [DatagramPath, DatagramPath]; readonly sockets: [Socket, Socket] }> {
  const sockets: [Socket, Socket] = [await boundSocket(), await boundSocket()]
  const [left, right] = sockets
  return {
    sockets,
    paths: [
      udpPath(left, { address: '127.0.0.1', port: right.address().port }),
      udpPath(right, { address: '127.0.0.1', port: left.address().port })
    ]
  }
}
