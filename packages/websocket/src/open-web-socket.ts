import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import WebSocket from 'ws'
import { errorCode, systemClock, type Clock, type MessageSocket } from '@kithmesh/core'
import { checkPositive, limitedSignal, unlessAborted } from '@kithmesh/core/plugin'
import { webSocketErrors } from './errors.ts'
import { DEFAULT_MAX_MESSAGE_BYTES, wsLimits } from './limits.ts'
import { checkHeartbeat, messageSocketFromWebSocket } from './message-socket.ts'

const MAX_ERROR_BODY_BYTES = 1024

export interface OpenWebSocketOptions {
  /** `ws:` or `wss:` URL, for the request line and the `Host` header; nothing is dialled. Credentials in it are sent as HTTP Basic. */
  readonly url: string
  /** Offered sub-protocols, best first. With any, the server must answer one of them. */
  readonly protocols: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** Until the server's answer; default 15,000 (blip.md §1). */
  readonly deadlineMs?: number
  /** A longer message ends the connection with 1009. Default 1 MiB. */
  readonly maxMessageBytes?: number
  /** See {@link MessageSocketOptions.heartbeatMs}. */
  readonly heartbeatMs?: number
  readonly clock?: Clock
}

export interface OpenedWebSocket {
  readonly socket: MessageSocket
  /** Of the 101 answer, names in lower case. */
  readonly responseHeaders: IncomingHttpHeaders
}

/**
 * The client's opening handshake (RFC 6455 §4.1) over an open byte stream, without extensions. Takes the stream over: on failure it is destroyed.
 * Redirects are not followed; they are ERR_WS_HTTP with `details.location`.
 * @throws ERR_WS_HTTP, ERR_WS_PROTOCOL, ERR_WS_HANDSHAKE, ERR_WS_TIMEOUT, or the signal's reason; TypeError for an invalid URL or sub-protocol, or options that make no sense.
 */
export async function openWebSocket(stream: Duplex, options: OpenWebSocketOptions): Promise<OpenedWebSocket> {
  const {
    url,
    protocols,
    headers = {},
    signal,
    deadlineMs = 15_000,
    maxMessageBytes = DEFAULT_MAX_MESSAGE_BYTES,
    heartbeatMs,
    clock = systemClock
  } = options
  const late = (): Error =>
    webSocketErrors.create('ERR_WS_TIMEOUT', `${withoutCredentials(url)} did not answer within ${deadlineMs} ms`, {
      details: { deadlineMs }
    })
  const limit = limitedSignal(clock, deadlineMs, late, signal)
  let webSocket: WebSocket | undefined
  stream.on('error', ignore)
  try {
    checkPositive(options, 'deadlineMs', 'maxMessageBytes')
    checkHeartbeat(heartbeatMs)
    limit.signal.throwIfAborted()
    if (stream.destroyed) throw webSocketErrors.create('ERR_WS_HANDSHAKE', 'The stream was closed before the WebSocket upgrade')
    const opened = new Promise<OpenedWebSocket>((resolve, reject) => {
      const created = connect(stream, url, protocols, headers, maxMessageBytes)
      webSocket = created
      let responseHeaders: IncomingHttpHeaders = {}
      const onError = (cause: Error): void => {
        const early = errorCode(cause) === 'ECONNRESET' || errorCode(cause) === 'EPIPE'
        reject(
          webSocketErrors.create(
            'ERR_WS_HANDSHAKE',
            early ? 'The connection ended before the WebSocket upgrade was answered' : `The WebSocket upgrade failed: ${cause.message}`,
            { cause }
          )
        )
      }
      const onClose = (): void => {
        reject(webSocketErrors.create('ERR_WS_HANDSHAKE', 'The connection ended before the WebSocket upgrade was answered'))
      }
      created.on('error', onError)
      created.on('close', onClose)
      created.once('unexpected-response', (_request, response) => {
        readFailure(response, reject, url)
      })
      created.once('upgrade', (response) => {
        responseHeaders = response.headers
        const answered = response.headers['sec-websocket-protocol']
        const wrong = answered === undefined ? protocols.length > 0 : !protocols.includes(answered)
        if (wrong)
          reject(
            webSocketErrors.create(
              'ERR_WS_PROTOCOL',
              answered === undefined
                ? 'The server chose no sub-protocol'
                : `The server chose the sub-protocol "${answered}", which was not offered`,
              { details: { offered: protocols, answered } }
            )
          )
      })
      created.once('open', () => {
        const socket = messageSocketFromWebSocket(created, {
          description: withoutCredentials(url),
          stream,
          clock,
          ...(heartbeatMs === undefined ? {} : { heartbeatMs })
        })
        created.off('error', onError).off('close', onClose).removeAllListeners('unexpected-response')
        resolve({ socket, responseHeaders })
      })
    })
    return await unlessAborted(limit.signal, opened)
  } catch (error) {
    webSocket?.on('error', ignore)
    webSocket?.terminate()
    stream.destroy()
    throw error
  } finally {
    limit.release()
  }
}

function connect(
  stream: Duplex,
  url: string,
  protocols: readonly string[],
  headers: Readonly<Record<string, string>>,
  maxMessageBytes: number
): WebSocket {
  try {
    return new WebSocket(url, [...protocols], {
      ...wsLimits(maxMessageBytes),
      headers: { ...headers },
      followRedirects: false,
      createConnection: (() => stream) as never
    })
  } catch (cause) {
    throw new TypeError(`cannot open ${withoutCredentials(url)}: ${(cause as Error).message}`, { cause })
  }
}

/** Collects the first bytes of an error page, for the message. */
function readFailure(response: IncomingMessage, reject: (error: Error) => void, url: string): void {
  const parts: Buffer[] = []
  let size = 0
  const finish = (): void => {
    const body = Buffer.concat(parts).subarray(0, MAX_ERROR_BODY_BYTES).toString('utf8')
    const status = response.statusCode ?? 0
    reject(
      webSocketErrors.create('ERR_WS_HTTP', `${withoutCredentials(url)} answered ${status} ${response.statusMessage ?? ''}`.trimEnd(), {
        details: {
          status,
          statusMessage: response.statusMessage ?? '',
          body,
          headers: response.headers,
          ...(response.headers.location === undefined ? {} : { location: response.headers.location })
        }
      })
    )
  }
  response.on('data', (part: Buffer) => {
    parts.push(part)
    size += part.length
    if (size >= MAX_ERROR_BODY_BYTES) finish()
  })
  response.once('end', finish)
  response.once('close', finish)
  response.on('error', finish)
}

function withoutCredentials(url: string): string {
  return url.replace(/^(\w+:\/\/)[^/@]*@/, '$1')
}

function ignore(): void {}
