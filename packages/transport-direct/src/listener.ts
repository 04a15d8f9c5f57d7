import { once } from 'node:events'
import { createServer, isIPv6, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { errorCode, isKithmeshError, silentLogger, systemClock, type Clock, type Logger, type TransportListener } from '@kithmesh/core'
import { checkPositive, ConnectionCount, formatHostPort, isLinkLocal, ownInterfaces } from '@kithmesh/core/plugin'
import { secureServer, type PeerCertificate, type SecureServerOptions } from '@kithmesh/identity'
import { normalizeAddress } from './addresses.ts'
import { directErrors } from './errors.ts'
import { addressesOfInterface } from './network-interface.ts'

/** A connection that was accepted and, with TLS, has finished its handshake. */
export interface AcceptedConnection {
  /** `host:port` of the other side. */
  readonly remote: string
  /** Who it is, when TLS asked for a certificate and one came. */
  readonly peer: PeerCertificate | undefined
}

export interface TcpListenerOptions {
  /** Address to listen on; default all, IPv6 and IPv4. */
  readonly host?: string
  /** Instead of `host`: names of interfaces, or addresses of this machine, whose addresses to listen on; the port is the same on all. */
  readonly interfaces?: readonly string[]
  /** Default 0: any free one. */
  readonly port?: number
  /** With it, connections are reported after the TLS handshake; its deadline is `tls.deadlineMs`. */
  readonly tls?: Omit<SecureServerOptions, 'signal' | 'clock'>
  /** The callee owns the stream. */
  readonly onConnection: (stream: Duplex, connection: AcceptedConnection) => void
  /** Further connections are cut at once; default 1,000. */
  readonly maxConnections?: number
  /** Of those, from one address, of IPv6 from one /64; default a quarter of them, and 16 at least: one host cannot have them all. */
  readonly maxConnectionsPerAddress?: number
  /** TLS handshakes at a time; one more cuts the oldest, which is the likeliest to have stalled. Default 200. */
  readonly maxHandshakes?: number
  readonly clock?: Clock
  readonly logger?: Logger
}

export interface TcpListener extends TransportListener {
  readonly port: number
  /** Open connections, handshakes included. */
  readonly connections: number
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Listens for TCP connections, with TLS if wanted. A stalled or hostile client costs one bounded slot and disturbs no other.
 * @throws ERR_DIRECT_PORT_IN_USE, ERR_DIRECT_INTERFACE or ERR_DIRECT_LISTEN; nothing stays open then. TypeError for `host` beside `interfaces`, or limits that make no sense.
 */
export async function createTcpListener(options: TcpListenerOptions): Promise<TcpListener> {
  const {
    host,
    interfaces,
    port = 0,
    tls,
    onConnection,
    maxConnections = 1_000,
    maxConnectionsPerAddress = Math.max(16, Math.ceil(maxConnections / 4)),
    maxHandshakes = 200,
    clock = systemClock,
    logger = silentLogger
  } = options
  checkPositive(options, 'maxConnections', 'maxConnectionsPerAddress', 'maxHandshakes')
  const open = new Set<Socket>()
  const count = new ConnectionCount(maxConnections, maxConnectionsPerAddress)
  const handshakes = new Map<Socket, AbortController>()
  let closed = false

  const hand = (stream: Duplex, connection: AcceptedConnection): void => {
    if (closed) {
      stream.destroy()
      return
    }
    try {
      onConnection(stream, connection)
    } catch (error) {
      logger.error('Taking over a connection failed', { remote: connection.remote, error })
      stream.on('error', ignore)
      stream.destroy()
    }
  }

  const accept = (socket: Socket): void => {
    socket.on('error', ignore)
    const remote = formatHostPort(normalizeAddress(socket.remoteAddress ?? ''), socket.remotePort ?? 0)
    if (closed || !count.add(socket, socket.remoteAddress ?? '')) {
      if (!closed) logger.warn('A connection was refused: too many are open', { remote, maxConnections, maxConnectionsPerAddress })
      socket.destroy()
      return
    }
    open.add(socket)
    socket.once('close', () => {
      open.delete(socket)
    })
    socket.setNoDelay(true)
    if (tls === undefined) {
      hand(socket, { remote, peer: undefined })
      return
    }
    if (handshakes.size >= maxHandshakes) {
      const [oldest] = handshakes
      oldest?.[1].abort(directErrors.create('ERR_DIRECT_LISTEN', 'Too many TLS handshakes at a time'))
    }
    const controller = new AbortController()
    handshakes.set(socket, controller)
    secureServer(socket, { ...tls, signal: controller.signal, clock }).then(
      ({ stream, peer }) => {
        handshakes.delete(socket)
        hand(stream, { remote, peer })
      },
      (error: unknown) => {
        handshakes.delete(socket)
        logger.info('A connection was not accepted', { remote, code: errorCode(error), reason: (error as Error).message })
      }
    )
  }

  if (host !== undefined && interfaces !== undefined) throw new TypeError('host and interfaces exclude each other')
  const servers = interfaces === undefined ? [await listen(host, port, accept)] : await listenOnAll(hostsOf(interfaces), port, accept)
  for (const server of servers)
    server.on('error', (error) => {
      logger.error('The listener reported an error', { error })
    })
  const bound = servers.map((server) => (server.address() as AddressInfo).address)
  const { port: boundPort } = servers[0]!.address() as AddressInfo
  const close = async (): Promise<void> => {
    if (!closed) {
      closed = true
      for (const controller of handshakes.values()) controller.abort(directErrors.create('ERR_DIRECT_SHUT_DOWN', 'The listener was closed'))
      // Its callback would wait for accepted streams, which live on.
      for (const server of servers) server.close()
    }
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  }
  return {
    port: boundPort,
    get addresses() {
      return bound.flatMap(reachableAddresses).map((one) => formatHostPort(one, boundPort))
    },
    get connections() {
      return open.size
    },
    close,
    [Symbol.asyncDispose]: close
  }
}

async function listen(host: string | undefined, port: number, accept: (socket: Socket) => void): Promise<Server> {
  for (const candidate of host === undefined ? ['::', '0.0.0.0'] : [host]) {
    const server = createServer(accept)
    try {
      server.listen({ host: candidate, port })
      await once(server, 'listening')
      return server
    } catch (cause) {
      const code = errorCode(cause)
      const details = { host: candidate, port }
      if (candidate === '::' && (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL' || code === 'EINVAL')) continue
      if (code === 'EADDRINUSE') throw directErrors.create('ERR_DIRECT_PORT_IN_USE', `Port ${port} is taken`, { cause, details })
      throw directErrors.create('ERR_DIRECT_LISTEN', `Cannot listen on ${formatHostPort(candidate, port)}: ${(cause as Error).message}`, {
        cause,
        details
      })
    }
  }
  throw directErrors.create('ERR_DIRECT_LISTEN', 'This machine has neither IPv6 nor IPv4')
}

function hostsOf(interfaces: readonly string[]): string[] {
  if (interfaces.length === 0) throw new TypeError('interfaces must name at least one')
  return [...new Set(interfaces.flatMap((each) => addressesOfInterface(each)))]
}

const PORT_TRIES = 10

/** One server for each address, on one port. Addresses that cannot be bound at present (IPv6 ones still being checked for doubles) are left out. */
async function listenOnAll(hosts: readonly string[], port: number, accept: (socket: Socket) => void): Promise<Server[]> {
  for (let tries = 1; ; tries++) {
    const servers: Server[] = []
    let unusable: unknown
    try {
      for (const host of hosts) {
        const wanted = servers[0] === undefined ? port : (servers[0].address() as AddressInfo).port
        try {
          servers.push(await listen(host, wanted, accept))
        } catch (error) {
          if (!isKithmeshError(error, 'ERR_DIRECT_LISTEN') || errorCode(error.cause) !== 'EADDRNOTAVAIL') throw error
          unusable = error
        }
      }
      if (servers.length === 0) throw unusable
      return servers
    } catch (error) {
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
      // The port that was free on the first address is taken on another.
      if (port !== 0 || tries === PORT_TRIES || !isKithmeshError(error, 'ERR_DIRECT_PORT_IN_USE')) throw error
    }
  }
}

/** What peers may try: the address itself, or all of this machine's that are no loopback, link-local ones last. */
function reachableAddresses(bound: string): string[] {
  if (bound !== '::' && bound !== '0.0.0.0') return [bound.replace(/%.*$/, '')]
  const found = Object.values(ownInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ internal, address }) => !internal && (bound === '::' || !isIPv6(address)))
    .map(({ address }) => address)
  return [...found.filter((address) => !isLinkLocal(address)), ...found.filter(isLinkLocal)]
}

function ignore(): void {}
