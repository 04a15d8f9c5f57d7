import { createServer, STATUS_CODES, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { errorCode, silentLogger, systemClock, type Clock, type Logger, type MessageSocket } from '@kithmesh/core'
import { checkPositive } from '@kithmesh/core/plugin'
import { DEFAULT_MAX_MESSAGE_BYTES, wsLimits } from './limits.ts'
import { checkHeartbeat, messageSocketFromWebSocket } from './message-socket.ts'

const MAX_HEADER_BYTES = 16 * 1024
const LINGER_MS = 1_000

/** What a client asked for. */
export interface UpgradeRequest<Context = unknown> {
  /** Path without query, as sent: still percent-encoded. */
  readonly path: string
  /** Query without `?`; empty when there is none. */
  readonly query: string
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders
  /** Offered sub-protocols, best first. */
  readonly protocols: readonly string[]
  /** What was given to `accept` with the stream, such as the peer's certificate. */
  readonly context: Context
}

export type UpgradeDecision =
  | { readonly allow: true /** For `onConnection`. */; readonly user?: string }
  | {
      readonly allow: false
      readonly status: number
      readonly headers?: Readonly<Record<string, string>> /** The body of the answer. */
      readonly message?: string
    }

/** A request that became a connection. */
export interface AcceptedRequest<Context = unknown> extends UpgradeRequest<Context> {
  readonly user: string | undefined
}

export interface WebSocketAcceptorOptions<Context = unknown> {
  /** Decides about each request, upgrade or not; default: everything is allowed. An exception is answered with 500. */
  readonly authorize?: (request: UpgradeRequest<Context>) => UpgradeDecision | Promise<UpgradeDecision>
  /** Chooses among the offered sub-protocols; `''` accepts without one, undefined refuses with 400. */
  readonly selectProtocol: (offered: readonly string[], path: string) => string | undefined
  /** A connection is open; the callee owns the socket. */
  readonly onConnection: (socket: MessageSocket, request: AcceptedRequest<Context>) => void
  /** A longer message ends the connection with 1009. Default 1 MiB. */
  readonly maxMessageBytes?: number
  /** From `accept` to the 101; default 15,000. */
  readonly handshakeDeadlineMs?: number
  /** See {@link MessageSocketOptions.heartbeatMs}. */
  readonly heartbeatMs?: number
  /** Value of the `Server` header; none by default. */
  readonly serverHeader?: string
  readonly clock?: Clock
  readonly logger?: Logger
}

export interface WebSocketAcceptor<Context = unknown> {
  /** Serves one byte stream and owns it from now on; after `close` it is destroyed at once. */
  accept(stream: Duplex, context: Context): void
  /** Streams whose handshake is under way. */
  readonly pending: number
  /** Cuts handshakes under way; open sockets live on. Idempotent. */
  close(): void
}

/** The refusal that asks for a user name and password (cbmobile.md §1). */
export function unauthorized(message = 'Unauthorized'): UpgradeDecision {
  return { allow: false, status: 401, headers: { 'WWW-Authenticate': 'Basic charset="UTF-8"' }, message }
}

/**
 * The server's side of the opening handshake (RFC 6455 §4.2) for any byte stream. The 101 carries `Upgrade: websocket`, `Connection: Upgrade`
 * and no extensions (blip.md §1). Other requests are answered 426, malformed ones 400, too long headers 431; whoever does not finish
 * within the deadline is cut off.
 * @throws TypeError for options that make no sense
 */
export function createWebSocketAcceptor<Context = unknown>(options: WebSocketAcceptorOptions<Context>): WebSocketAcceptor<Context> {
  const {
    authorize,
    selectProtocol,
    onConnection,
    maxMessageBytes = DEFAULT_MAX_MESSAGE_BYTES,
    handshakeDeadlineMs = 15_000,
    heartbeatMs,
    serverHeader,
    clock = systemClock,
    logger = silentLogger
  } = options
  checkPositive(options, 'maxMessageBytes', 'handshakeDeadlineMs')
  checkHeartbeat(heartbeatMs)
  if (serverHeader !== undefined && /[^\t\x20-\x7e]/.test(serverHeader)) throw new TypeError('serverHeader must be printable ASCII')
  const pending = new Map<Duplex, { readonly context: Context; readonly done: () => void }>()
  const selected = new WeakMap<IncomingMessage, string>()
  let closed = false

  const http = createServer({ maxHeaderSize: MAX_HEADER_BYTES, keepAlive: false })
  http.maxRequestsPerSocket = 1
  const upgrader = new WebSocketServer({
    ...wsLimits(maxMessageBytes),
    noServer: true,
    clientTracking: false,
    handleProtocols: (_offered, request) => selected.get(request) || false
  } as ConstructorParameters<typeof WebSocketServer>[0])
  upgrader.on('headers', (headers) => {
    if (serverHeader !== undefined) headers.push(`Server: ${serverHeader}`)
  })

  const describe = (incoming: IncomingMessage, context: Context): UpgradeRequest<Context> => {
    const target = incoming.url ?? '/'
    const mark = target.indexOf('?')
    return {
      path: mark === -1 ? target : target.slice(0, mark),
      query: mark === -1 ? '' : target.slice(mark + 1),
      headers: incoming.headers,
      protocols: (incoming.headers['sec-websocket-protocol'] ?? '')
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== ''),
      context
    }
  }

  const decide = async (request: UpgradeRequest<Context>): Promise<UpgradeDecision> => {
    try {
      return (await authorize?.(request)) ?? { allow: true }
    } catch (error) {
      logger.error('The authorization of a request failed', { path: request.path, error })
      return { allow: false, status: 500, message: 'Internal error' }
    }
  }

  const headersOf = (decision: Extract<UpgradeDecision, { allow: false }>, length: number): Record<string, string> => {
    const headers: Record<string, string> = {
      ...(serverHeader === undefined ? {} : { Server: serverHeader }),
      Connection: 'close',
      'Content-Type': 'text/plain; charset=utf-8',
      'Content-Length': String(length),
      ...decision.headers
    }
    return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace(/[^\t\x20-\x7e]+/g, ' ')]))
  }

  const refuse = (stream: Duplex, decision: Extract<UpgradeDecision, { allow: false }>): void => {
    const body = Buffer.from(decision.message ?? STATUS_CODES[decision.status] ?? '', 'utf8')
    const head = Object.entries(headersOf(decision, body.length))
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('')
    if (!stream.writable) {
      stream.destroy()
      return
    }
    // The client gets a moment to read the answer: destroying at once could take it back.
    const destroy = (): void => {
      stream.destroy()
    }
    stream.once('finish', () => {
      stream.once('close', clock.after(LINGER_MS, destroy))
    })
    stream.once('end', destroy)
    stream.resume()
    stream.end(
      Buffer.concat([
        Buffer.from(`HTTP/1.1 ${decision.status} ${STATUS_CODES[decision.status] ?? 'Refused'}\r\n${head}\r\n`, 'latin1'),
        body
      ])
    )
  }

  const upgrade = async (incoming: IncomingMessage, stream: Duplex, head: Buffer): Promise<void> => {
    const entry = pending.get(stream)
    if (entry === undefined) {
      stream.destroy()
      return
    }
    const request = describe(incoming, entry.context)
    const decision = await decide(request)
    if (stream.destroyed || closed) {
      stream.destroy()
      return
    }
    if (!decision.allow) {
      refuse(stream, decision)
      return
    }
    if (incoming.headers.upgrade?.toLowerCase() !== 'websocket') {
      refuse(stream, upgradeRequired)
      return
    }
    const protocol = selectProtocol(request.protocols, request.path)
    if (protocol === undefined || (protocol !== '' && !request.protocols.includes(protocol))) {
      refuse(stream, { allow: false, status: 400, message: `No supported WebSocket protocol among: ${request.protocols.join(', ')}` })
      return
    }
    selected.set(incoming, protocol)
    upgrader.handleUpgrade(incoming, stream, head, (webSocket) => {
      entry.done()
      const socket = messageSocketFromWebSocket(webSocket, {
        description: request.path,
        stream,
        clock,
        ...(heartbeatMs === undefined ? {} : { heartbeatMs })
      })
      try {
        onConnection(socket, { ...request, user: decision.user })
      } catch (error) {
        logger.error('Taking over a connection failed', { path: request.path, error })
        socket.terminate(error as Error)
      }
    })
  }

  http.on('upgrade', (incoming, stream, head) => {
    upgrade(incoming, stream, head).catch((error: unknown) => {
      logger.error('A WebSocket upgrade failed', { error })
      stream.destroy()
    })
  })
  http.on('request', (incoming, response) => {
    const entry = pending.get(incoming.socket)
    if (entry === undefined) {
      incoming.socket.destroy()
      return
    }
    void decide(describe(incoming, entry.context))
      .then((decision) => {
        const answer = decision.allow ? upgradeRequired : decision
        const body = Buffer.from(answer.message ?? '', 'utf8')
        response.writeHead(answer.status, headersOf(answer, body.length))
        response.end(body)
      })
      .catch(() => {
        incoming.socket.destroy()
      })
  })
  http.on('clientError', (error, stream) => {
    if (errorCode(error) === 'ECONNRESET' || stream.destroyed) {
      stream.destroy()
      return
    }
    const status = errorCode(error) === 'HPE_HEADER_OVERFLOW' ? 431 : 400
    refuse(stream, { allow: false, status })
  })

  return {
    get pending() {
      return pending.size
    },
    accept(stream, context) {
      stream.on('error', ignore)
      if (closed || stream.destroyed) {
        stream.destroy()
        return
      }
      const done = (): void => {
        cancel()
        pending.delete(stream)
        stream.removeListener('close', done)
      }
      const cancel = clock.after(handshakeDeadlineMs, () => {
        logger.debug('A client did not finish the WebSocket upgrade in time', { deadlineMs: handshakeDeadlineMs })
        done()
        stream.destroy()
      })
      pending.set(stream, { context, done })
      stream.once('close', done)
      http.emit('connection', stream)
    },
    close() {
      closed = true
      for (const [stream, { done }] of [...pending]) {
        done()
        stream.destroy()
      }
    }
  }
}

const upgradeRequired = { allow: false, status: 426, headers: { Upgrade: 'websocket' }, message: 'This address speaks WebSocket' } as const

function ignore(): void {}
