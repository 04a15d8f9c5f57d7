import type { RemoteInfo, Socket } from 'node:dgram'
import type { DatagramPath, DatagramPathHandlers } from './datagram-stream.ts'

/** The other end of a UDP path. */
export interface UdpEndpoint {
  /** An IP literal. */
  readonly address: string
  readonly port: number
}

/**
 * A path over a bound UDP socket to one address. The socket is owned by the path from now on and closed with it. What comes from anywhere
 * else is ignored, and so are single errors (ICMP): silence decides.
 */
export function udpPath(socket: Socket, { address, port }: UdpEndpoint): DatagramPath {
  let handlers: DatagramPathHandlers | undefined
  let closed = false
  const onMessage = (bytes: Buffer, from: RemoteInfo): void => {
    if (from.port === port && from.address === address) handlers?.datagram(bytes)
  }
  const onClose = (): void => {
    closed = true
    handlers?.closed(new Error('The UDP socket was closed'))
  }
  const ignore = (): void => {}
  return {
    open(given) {
      handlers = given
      socket.on('message', onMessage)
      socket.on('error', ignore)
      socket.on('close', onClose)
    },
    send(datagram) {
      if (closed) return
      try {
        socket.send(datagram, port, address, ignore)
      } catch {
        // Somebody else has closed it, which is told in a later turn.
      }
    },
    close() {
      handlers = undefined
      if (closed) return
      closed = true
      socket.close()
    }
  }
}
