import { createSocket, type Socket } from 'node:dgram'
import { randomInt } from 'node:crypto'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { addressFamily, type TransportAddress } from '@kithmesh/stun'
import type { PortSpan } from '../contracts.ts'
import { cannotListen } from '../listener.ts'

/** What may wait for the network on one socket; the rest is dropped, as a full network would. */
const MAX_QUEUED_BYTES = 1 << 20
const RECEIVE_BUFFER_BYTES = 1 << 20
/** Ports that are tried before there are none left. */
const PORT_TRIES = 40

/** A UDP socket on one address and port. */
export interface UdpPort {
  readonly local: TransportAddress
  /** False when the datagram was dropped. */
  send(datagram: Uint8Array, to: TransportAddress): boolean
  close(): Promise<void>
}

/** @throws ERR_RELAY_LISTEN */
export async function openUdp(
  where: TransportAddress,
  onDatagram: (datagram: Buffer, from: TransportAddress) => void,
  onError: (error: Error) => void = () => {}
): Promise<UdpPort> {
  const family = addressFamily(where.address) ?? 4
  const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', ipv6Only: family === 6, recvBufferSize: RECEIVE_BUFFER_BYTES })
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (cause) => {
      socket.close()
      reject(cannotListen('UDP', where, cause))
    })
    socket.bind({ address: where.address, port: where.port, exclusive: true }, resolve)
  })
  socket.removeAllListeners('error')
  socket.on('error', onError)
  socket.on('message', (datagram, { address, port }) => {
    onDatagram(datagram, { address, port })
  })
  return portOf(socket, where.address)
}

function portOf(socket: Socket, address: string): UdpPort {
  const local = { address, port: socket.address().port }
  let closed: Promise<void> | undefined
  return {
    local,
    send(datagram, to) {
      if (closed !== undefined || to.port === 0 || socket.getSendQueueSize() > MAX_QUEUED_BYTES) return false
      // What cannot be sent, for want of a route or room, is lost like any other datagram.
      socket.send(datagram, to.port, to.address, () => {})
      return true
    },
    close() {
      closed ??= new Promise((resolve) => {
        socket.close(resolve)
      })
      return closed
    }
  }
}

/** A TCP server that leaves connections paused. @throws ERR_RELAY_LISTEN */
export async function openTcp(where: TransportAddress): Promise<{ readonly server: Server; readonly local: TransportAddress }> {
  const server = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(cannotListen('TCP', where, cause))
    })
    server.listen({ host: where.address, port: where.port, exclusive: true, ipv6Only: true }, resolve)
  })
  server.removeAllListeners('error')
  server.on('error', () => {})
  return { server, local: { address: where.address, port: (server.address() as AddressInfo).port } }
}

/**
 * Tries ports of a span until one can be had, in an order that nobody can guess (RFC 8656 §7.2).
 * @param even whether it must be an even one (RFC 8656 §18.7).
 * @returns undefined when there was none
 */
export async function onFreePort<T>({ first, last }: PortSpan, even: boolean, open: (port: number) => Promise<T>): Promise<T | undefined> {
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    const port = randomInt(first, last + 1)
    if (even && port % 2 !== 0) continue
    try {
      return await open(port)
    } catch {
      // Taken by somebody else: another one.
    }
  }
  return undefined
}
