import { lookup } from 'node:dns/promises'
import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls, type SecureContextOptions } from 'node:tls'
import { errorCode } from '@kithmesh/core'
import { addressFamily, formatTransportAddress, type TransportAddress } from '../codec/transport-address.ts'
import { stunErrors } from '../errors.ts'
import { unlessAborted, whenOpen } from '@kithmesh/core/plugin'

/** TLS towards a server: Node's options for certificates, and the name to check when it is not the host that was asked for. */
export type StunTlsOptions = Pick<SecureContextOptions, 'ca' | 'cert' | 'key' | 'minVersion'> & { readonly servername?: string }

/**
 * The addresses of a server, in the order of the operating system; an IP literal is its own. Ask once and keep the answer: answers of a
 * name with several addresses differ from time to time, and with them the server that holds an allocation.
 * @throws ERR_STUN_RESOLVE or the signal's reason.
 */
export async function resolveServer(
  host: string,
  port: number,
  { family, signal }: { readonly family?: 4 | 6 | undefined; readonly signal: AbortSignal }
): Promise<readonly TransportAddress[]> {
  signal.throwIfAborted()
  const refuse = (cause?: unknown): Error =>
    stunErrors.create('ERR_STUN_RESOLVE', `The host "${host}" has no ${family === undefined ? '' : `IPv${family} `}address`, {
      ...(cause !== undefined && { cause }),
      details: { host }
    })
  const literal = addressFamily(host)
  if (literal !== undefined) {
    if (family !== undefined && family !== literal) throw refuse()
    return [{ address: host, port }]
  }
  let found: { readonly address: string }[]
  try {
    found = await unlessAborted(signal, () => lookup(host, { all: true, verbatim: true, family: family ?? 0 }))
  } catch (cause) {
    signal.throwIfAborted()
    throw refuse(cause)
  }
  if (found.length === 0) throw refuse()
  return found.map(({ address }) => ({ address, port }))
}

export interface DialServerOptions {
  /** An IP literal: names are resolved before, as Node makes several attempts with them from one port. */
  readonly server: TransportAddress
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  readonly tls?: (StunTlsOptions & { readonly host: string }) | undefined
  readonly signal: AbortSignal
}

/**
 * Connects to a server from a given local address and port, with TLS if wanted. Nagle's algorithm is off.
 * @throws ERR_STUN_SOCKET when the local end cannot be had, ERR_STUN_CONNECT, or the signal's reason.
 */
export async function dialServer(options: DialServerOptions): Promise<Socket> {
  const { server, localAddress, localPort, signal, tls } = options
  if (isIP(server.address) === 0) throw new TypeError(`${server.address} is no IP address`)
  signal.throwIfAborted()
  const plain = connect({
    host: server.address,
    port: server.port,
    noDelay: true,
    autoSelectFamily: false,
    ...(localAddress !== undefined && { localAddress }),
    ...(localPort !== undefined && { localPort })
  })
  await opened(plain, 'connect', server, signal)
  if (tls === undefined) return plain
  // Once TLS has taken the connection over, it reports what goes wrong.
  plain.on('error', () => {})
  const { host, ...certificates } = tls
  const secured = connectTls({
    socket: plain,
    host,
    minVersion: 'TLSv1.2',
    ...certificates,
    ...(certificates.servername === undefined && isIP(host) === 0 && { servername: host })
  })
  return await opened(secured, 'secureConnect', server, signal)
}

async function opened<T extends Socket>(
  socket: T,
  event: 'connect' | 'secureConnect',
  server: TransportAddress,
  signal: AbortSignal
): Promise<T> {
  try {
    return await whenOpen(socket, signal, event)
  } catch (error) {
    signal.throwIfAborted()
    throw dialError(error as Error, server)
  }
}

function dialError(cause: Error | undefined, server: TransportAddress): Error {
  const where = formatTransportAddress(server)
  const code = errorCode(cause)
  const details = { server: where, ...(code !== undefined && { code }) }
  const local = (cause as NodeJS.ErrnoException | undefined)?.syscall === 'bind' || code === 'EADDRNOTAVAIL' || code === 'EADDRINUSE'
  return stunErrors.create(
    local ? 'ERR_STUN_SOCKET' : 'ERR_STUN_CONNECT',
    `Cannot connect to ${where}: ${cause?.message ?? 'the connection was closed at once'}`,
    { ...(cause !== undefined && { cause }), details }
  )
}
