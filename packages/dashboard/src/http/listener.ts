import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { dashboardErrors } from '../errors.ts'

export interface HttpListenerOptions {
  readonly host: string
  readonly port: number
  readonly maxConnections: number
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
}

/** An HTTP server that is listening. */
export interface HttpListener {
  readonly port: number
  /** Stops accepting, and cuts what is open. Resolves when nothing of it is left. Idempotent. */
  close(): Promise<void>
}

/** Requests have no body and few headers. */
const maxHeaderSize = 8 * 1024
const headersTimeoutMs = 5_000
const requestTimeoutMs = 10_000
const keepAliveTimeoutMs = 5_000
const maxRequestsPerSocket = 1_000

/**
 * Opens the server, with bounds on connections, headers and time: who exceeds them is cut off and disturbs nobody else.
 * @throws ERR_DASHBOARD_LISTEN
 */
export async function listenHttp({ host, port, maxConnections, onRequest }: HttpListenerOptions): Promise<HttpListener> {
  const server = createServer({
    maxHeaderSize,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: 1_000
  })
  server.maxConnections = maxConnections
  server.maxRequestsPerSocket = maxRequestsPerSocket
  server.maxHeadersCount = 64
  server.on('request', onRequest)
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  // What is no HTTP has no answer either.
  server.on('clientError', (_error, socket) => socket.destroy())
  server.on('upgrade', (_request, socket: Socket) => {
    socket.destroy()
  })
  await open(server, host, port)
  // Whatever happens to the listening socket later concerns nobody who is connected; each connection has its own errors.
  server.on('error', () => {})
  let closed: Promise<void> | undefined
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      closed ??= new Promise<void>((resolve) => {
        server.close(() => {
          resolve()
        })
        for (const socket of sockets) socket.destroy()
      })
      return closed
    }
  }
}

function open(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: Error): void => {
      reject(
        dashboardErrors.create('ERR_DASHBOARD_LISTEN', `The dashboard cannot listen on ${host} port ${port}: ${cause.message}`, { cause })
      )
    }
    server.once('error', onError)
    server.listen(port, host, () => {
      server.off('error', onError)
      resolve()
    })
  })
}
