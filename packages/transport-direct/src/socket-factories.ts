import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { systemClock, type ByteSocketFactory, type Clock, type MessageSocketFactory, type OpenSocketOptions } from '@kithmesh/core'
import { checkPositive } from '@kithmesh/core/plugin'
import {
  basicAuthorization,
  secureClient,
  serverTrustAuthenticator,
  type Identity,
  type PasswordCredentials,
  type PeerCertificate,
  type ServerTrust
} from '@kithmesh/identity'
import { openWebSocket } from '@kithmesh/websocket'
import { dial } from './dial.ts'
import { parseTargetUrl, type TargetUrl } from './target-url.ts'

export interface TcpSocketFactoryOptions {
  /** How `tls:` and `wss:` servers are judged; default `{ mode: 'ca' }` with Node's own authorities. */
  readonly trust?: ServerTrust
  /** Shown to servers that ask for a certificate. */
  readonly identity?: Identity
  /** For the whole of `open`; default 15,000 (blip.md §1). */
  readonly deadlineMs?: number
  /** See {@link DialOptions.staggerMs}. */
  readonly staggerMs?: number
  /** See {@link DialOptions.networkInterface}. */
  readonly networkInterface?: string
  readonly clock?: Clock
}

export interface WebSocketFactoryOptions extends TcpSocketFactoryOptions {
  /** Sent with the first request, as HTTP Basic. */
  readonly basicAuth?: PasswordCredentials
  /** Sent with every request; those of `open` win. */
  readonly headers?: Readonly<Record<string, string>>
  readonly maxMessageBytes?: number
  /** See `MessageSocketOptions.heartbeatMs` of the WebSocket package. */
  readonly heartbeatMs?: number
  /** Told what an opened connection looks like, before `open` resolves. */
  readonly onOpened?: (connection: OpenedConnection) => void
}

export interface OpenedConnection {
  readonly url: string
  /** The server's certificate; undefined without TLS. */
  readonly peer: PeerCertificate | undefined
  readonly responseHeaders: IncomingHttpHeaders
}

/**
 * Byte streams to `tcp://host:port` and, encrypted, to `tls://host:port`.
 * `open` rejects with the codes of `dial`, `secureClient` and ERR_DIRECT_URL.
 * @throws TypeError for a deadline that makes no sense
 */
export function tcpSocketFactory(options: TcpSocketFactoryOptions = {}): ByteSocketFactory {
  checkPositive(options, 'deadlineMs')
  const schemes = Object.freeze(['tcp', 'tls'])
  return {
    framing: 'bytes',
    schemes,
    open: async (url, openOptions) => {
      const target = parseTargetUrl(url, schemes)
      return (await openStream(target, target.scheme === 'tls', options, openOptions, deadline(options))).stream
    }
  }
}

/**
 * Message sockets to `ws:` and `wss:` URLs, taken literally: the caller gives the whole path.
 * `open` rejects with the codes of `dial`, `secureClient`, `openWebSocket` and ERR_DIRECT_URL.
 * @throws TypeError for options that make no sense
 */
export function webSocketFactory(options: WebSocketFactoryOptions = {}): MessageSocketFactory {
  checkPositive(options, 'deadlineMs', 'maxMessageBytes')
  const schemes = Object.freeze(['ws', 'wss'])
  const { basicAuth, headers, maxMessageBytes, heartbeatMs, clock = systemClock, onOpened } = options
  const common = { ...(basicAuth === undefined ? {} : { Authorization: basicAuthorization(basicAuth) }), ...headers }
  return {
    framing: 'messages',
    schemes,
    open: async (url, openOptions) => {
      const target = parseTargetUrl(url, schemes)
      const remaining = deadline(options)
      const { stream, peer } = await openStream(target, target.scheme === 'wss', options, openOptions, remaining)
      const { socket, responseHeaders } = await openWebSocket(stream, {
        url,
        protocols: openOptions.protocols,
        headers: { ...common, ...openOptions.headers },
        signal: openOptions.signal,
        deadlineMs: remaining(),
        clock,
        ...(maxMessageBytes === undefined ? {} : { maxMessageBytes }),
        ...(heartbeatMs === undefined ? {} : { heartbeatMs })
      })
      onOpened?.({ url, peer, responseHeaders })
      return socket
    }
  }
}

async function openStream(
  target: TargetUrl,
  encrypted: boolean,
  options: TcpSocketFactoryOptions,
  { signal, addresses }: OpenSocketOptions,
  remaining: () => number
): Promise<{ stream: Duplex; peer: PeerCertificate | undefined }> {
  const { trust = { mode: 'ca' }, identity, staggerMs, networkInterface, clock = systemClock } = options
  // Before dialling, so that a malformed certificate costs no connection.
  const authenticator = encrypted ? serverTrustAuthenticator(trust, { clock }) : undefined
  const socket = await dial({
    host: target.host,
    port: target.port,
    signal,
    deadlineMs: remaining(),
    clock,
    ...(addresses === undefined ? {} : { addresses }),
    ...(staggerMs === undefined ? {} : { staggerMs }),
    ...(networkInterface === undefined ? {} : { networkInterface })
  })
  if (authenticator === undefined) return { stream: socket, peer: undefined }
  return await secureClient(socket, {
    authenticator,
    serverName: target.host,
    deadlineMs: remaining(),
    signal,
    clock,
    ...(identity === undefined ? {} : { identity })
  })
}

/** Milliseconds that are left of the deadline that begins now, at least one. */
function deadline({ deadlineMs = 15_000, clock = systemClock }: TcpSocketFactoryOptions): () => number {
  const end = clock.monotonic() + deadlineMs
  return () => Math.max(1, end - clock.monotonic())
}
