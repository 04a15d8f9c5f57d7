import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { errorCode, type Clock, type Logger } from '@kithmesh/core'
import type { ConnectionCount } from '@kithmesh/core/plugin'
import { canonicalAddress, formatTransportAddress, type TransportAddress } from '@kithmesh/stun'
import type { RelayTls } from './contracts.ts'
import { relayErrors } from './errors.ts'

/** How long a TLS handshake may take. */
const HANDSHAKE_MS = 10_000
/** After so long without a byte, the kernel asks whether the other side is still there. */
const KEEP_ALIVE_MS = 60_000

export interface StreamListenerOptions {
  readonly address: string
  readonly port: number
  readonly tls: RelayTls | undefined
  readonly count: ConnectionCount
  readonly clock: Clock
  readonly logger: Logger
  /** Takes the connection over; it has an `error` handler already. */
  readonly onConnection: (socket: Socket, from: TransportAddress) => void
}

/** Accepts TCP or TLS connections on one address. */
export class StreamListener {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Deadlines of TLS handshakes, by where they come from: the socket that is told when one is over is another object than the one it began on. */
  readonly #handshakes = new Map<string, () => void>()

  private constructor(server: Server, port: number, { count, clock, logger, onConnection, tls }: StreamListenerOptions) {
    this.#server = server
    this.port = port
    server.on('error', (error) => {
      logger.error('A listener failed', { error })
    })
    // Also for TLS this is the connection itself, before any handshake.
    server.on('connection', (socket: Socket) => {
      const from = remoteOf(socket)
      socket.on('error', () => {})
      if (from === undefined || !count.add(socket, from.address)) {
        socket.destroy()
        if (from !== undefined) logger.info('Too many connections: one was refused', { from: from.address })
        return
      }
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
      if (tls === undefined) onConnection(socket, from)
      else this.#expectHandshake(socket, formatTransportAddress(from), clock)
    })
    server.on('secureConnection', (socket: TLSSocket) => {
      const from = remoteOf(socket)
      socket.on('error', () => {})
      if (from === undefined) socket.destroy()
      else {
        this.#handshakes.get(formatTransportAddress(from))?.()
        onConnection(socket, from)
      }
    })
    server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
      logger.debug('A TLS handshake failed', { error, from: socket.remoteAddress })
      // Node leaves that to whoever is told.
      socket.destroy()
    })
  }

  /** @throws ERR_RELAY_LISTEN, ERR_RELAY_TLS */
  static async open(options: StreamListenerOptions): Promise<StreamListener> {
    const { address, port, tls } = options
    const server = tls === undefined ? createTcpServer({ noDelay: true, allowHalfOpen: true }) : tlsServer(tls)
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        reject(cannotListen('TCP', { address, port }, cause))
      })
      server.listen({ host: address, port, exclusive: true, ipv6Only: true }, resolve)
    })
    server.removeAllListeners('error')
    return new StreamListener(server, (server.address() as AddressInfo).port, options)
  }

  #expectHandshake(socket: Socket, from: string, clock: Clock): void {
    const cancel = clock.after(HANDSHAKE_MS, () => {
      socket.destroy()
    })
    this.#handshakes.set(from, cancel)
    socket.once('close', () => {
      cancel()
      if (this.#handshakes.get(from) === cancel) this.#handshakes.delete(from)
    })
  }

  /** Ends all connections, too. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve()
      })
    })
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

export function cannotListen(protocol: 'TCP' | 'UDP', where: TransportAddress, cause: unknown): Error {
  const code = errorCode(cause)
  return relayErrors.create(
    'ERR_RELAY_LISTEN',
    `Cannot listen on ${protocol} ${formatTransportAddress(where)}: ${(cause as Error).message}`,
    {
      cause,
      details: { address: where.address, port: where.port, ...(code !== undefined && { code }) }
    }
  )
}

function tlsServer({ cert, key }: RelayTls): Server {
  try {
    return createTlsServer({
      cert: Buffer.from(cert),
      key: Buffer.from(key),
      minVersion: 'TLSv1.2',
      noDelay: true
    })
  } catch (cause) {
    throw relayErrors.create('ERR_RELAY_TLS', `The certificate or key of the relay cannot be used: ${(cause as Error).message}`, { cause })
  }
}

function remoteOf(socket: Socket): TransportAddress | undefined {
  const { remoteAddress, remotePort } = socket
  return remoteAddress === undefined || remotePort === undefined
    ? undefined
    : { address: canonicalAddress(remoteAddress), port: remotePort }
}
