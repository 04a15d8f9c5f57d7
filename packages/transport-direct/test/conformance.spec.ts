import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { createIdentity, type Identity } from '@kithmesh/identity'
import { tcpSocketFactory, webSocketFactory } from '@kithmesh/transport-direct'
import { createWebSocketAcceptor, messageSocketFromWebSocket } from '@kithmesh/websocket'
import { describeSocketFactory, globalRunner, type SilentListener, type TestListener } from '@kithmesh/testkit'
import type { ByteSocket, MessageSocket } from '@kithmesh/core'
import { WebSocketServer } from 'ws'

/** The suite sends messages of 5 MB. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024

let identity: Identity
before(async () => {
  identity = await createIdentity({ commonName: 'server', altNames: ['127.0.0.1'] })
})

async function listenTcp(scheme: string, accept: (socket: Socket) => void, tls = false): Promise<SilentListener> {
  const sockets = new Set<Socket>()
  const track = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      sockets.delete(socket)
    })
  }
  const server = tls ? createTlsServer({ key: identity.privateKeyPem, cert: identity.certificatePem }, accept) : createServer(accept)
  server.on('connection', track)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `${scheme}://127.0.0.1:${(server.address() as { port: number }).port}${scheme.startsWith('ws') ? '/db' : ''}`,
    connections: () => sockets.size,
    close: async () => {
      if (server.listening) server.close()
    }
  }
}

/** Reads and says nothing. */
function drain(socket: Socket): void {
  socket.resume()
}

/** The counterpart is `ws` itself, without our acceptor. */
async function listenWebSocket(scheme: 'ws' | 'wss', accept: (socket: MessageSocket) => void): Promise<TestListener> {
  const bare = new WebSocketServer({ noServer: true, perMessageDeflate: false })
  const { createServer: createHttp } = await import('node:http')
  const http = createHttp()
  http.on('upgrade', (request, stream, head) => {
    bare.handleUpgrade(request, stream, head, (webSocket) => {
      accept(messageSocketFromWebSocket(webSocket, { stream }))
    })
  })
  return await listenTcp(
    scheme,
    (socket) => {
      http.emit('connection', socket)
    },
    scheme === 'wss'
  )
}

describeSocketFactory(
  'tcp',
  { factory: tcpSocketFactory(), listen: async (accept: (socket: ByteSocket) => void) => await listenTcp('tcp', accept) },
  globalRunner()
)

describeSocketFactory(
  'tls',
  {
    factory: tcpSocketFactory({ trust: { mode: 'self-signed' }, deadlineMs: 3_000 }),
    listen: async (accept: (socket: ByteSocket) => void) => await listenTcp('tls', accept, true),
    listenSilently: async () => await listenTcp('tls', drain)
  },
  globalRunner()
)

describeSocketFactory(
  'ws',
  {
    factory: webSocketFactory({ maxMessageBytes: MAX_MESSAGE_BYTES, deadlineMs: 3_000 }),
    listen: async (accept: (socket: MessageSocket) => void) => await listenWebSocket('ws', accept),
    listenSilently: async () => await listenTcp('ws', drain)
  },
  globalRunner()
)

describeSocketFactory(
  'wss',
  {
    factory: webSocketFactory({ maxMessageBytes: MAX_MESSAGE_BYTES, trust: { mode: 'self-signed' }, deadlineMs: 3_000 }),
    listen: async (accept: (socket: MessageSocket) => void) => await listenWebSocket('wss', accept),
    listenSilently: async () => await listenTcp('wss', drain)
  },
  globalRunner()
)

describeSocketFactory(
  'ws, against our own acceptor',
  {
    factory: webSocketFactory({ maxMessageBytes: MAX_MESSAGE_BYTES, deadlineMs: 3_000 }),
    listen: async (accept: (socket: MessageSocket) => void) => {
      const acceptor = createWebSocketAcceptor({
        selectProtocol: (offered) => offered[0] ?? '',
        onConnection: accept,
        maxMessageBytes: MAX_MESSAGE_BYTES
      })
      return await listenTcp('ws', (socket) => {
        acceptor.accept(socket, undefined)
      })
    },
    listenSilently: async () => await listenTcp('ws', drain)
  },
  globalRunner()
)
