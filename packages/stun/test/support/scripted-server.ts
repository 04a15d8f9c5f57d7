import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { decodeMessage, encodeMessage, isChannelData, StreamDeframer } from '@kithmesh/stun'
import type { EncodeOptions, ReceivedMessage, StunAttributes, TransportAddress } from '@kithmesh/stun'

/** One frame that came to the server, and ways to answer it. */
export interface Incoming {
  /** Undefined for ChannelData and anything else that is not STUN. */
  readonly message: ReceivedMessage | undefined
  readonly bytes: Buffer
  readonly from: TransportAddress
  /** The connection, when there is one. */
  readonly socket: Socket | undefined
  success(attributes?: StunAttributes, options?: EncodeOptions): void
  error(code: number, attributes?: StunAttributes, options?: EncodeOptions): void
  /** Any bytes, from the server's own address. */
  raw(bytes: Uint8Array): void
}

/** A server on 127.0.0.1 that does what the test says. */
export interface ScriptedServer extends AsyncDisposable {
  readonly address: TransportAddress
  readonly received: Incoming[]
  handle: (incoming: Incoming) => void
  /** Connections that are open; empty over UDP. */
  readonly connections: ReadonlySet<Socket>
}

/** Answers Binding requests truthfully. */
export function echoBinding(incoming: Incoming): void {
  if (incoming.message?.method === 'binding') incoming.success({ xorMappedAddress: incoming.from })
}

function incomingFrom(bytes: Buffer, from: TransportAddress, raw: (bytes: Uint8Array) => void, socket?: Socket): Incoming {
  let message: ReceivedMessage | undefined
  try {
    message = isChannelData(bytes) ? undefined : decodeMessage(bytes, { legacy: true })
  } catch {
    message = undefined
  }
  const answer = (messageClass: 'success' | 'error', attributes: StunAttributes, options?: EncodeOptions): void => {
    raw(encodeMessage({ method: message!.method, messageClass, transactionId: message!.transactionId, attributes }, options))
  }
  return {
    message,
    bytes,
    from,
    socket,
    raw,
    success: (attributes = {}, options) => {
      answer('success', attributes, options)
    },
    error: (code, attributes = {}, options) => {
      answer('error', { errorCode: { code, reason: 'scripted' }, ...attributes }, options)
    }
  }
}

export async function udpServer(handle: (incoming: Incoming) => void = echoBinding, host = '127.0.0.1', port = 0): Promise<ScriptedServer> {
  const socket = createSocket('udp4')
  socket.bind(port, host)
  await once(socket, 'listening')
  const server: ScriptedServer = {
    address: { address: host, port: socket.address().port },
    received: [],
    handle,
    connections: new Set(),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        socket.close(resolve)
      })
  }
  socket.on('message', (bytes, { address, port }) => {
    const incoming = incomingFrom(bytes, { address, port }, (answer) => {
      socket.send(answer, port, address)
    })
    server.received.push(incoming)
    server.handle(incoming)
  })
  return server
}

export async function tcpServer(handle: (incoming: Incoming) => void = echoBinding, tls?: TlsOptions, port = 0): Promise<ScriptedServer> {
  const connections = new Set<Socket>()
  const onConnection = (socket: Socket): void => {
    connections.add(socket)
    const from = { address: socket.remoteAddress!, port: socket.remotePort! }
    const deframer = new StreamDeframer()
    socket.on('error', () => {})
    socket.on('close', () => {
      connections.delete(socket)
    })
    socket.on('data', (chunk) => {
      deframer.push(chunk)
      for (let frame = deframer.next(); frame !== undefined; frame = deframer.next()) {
        const incoming = incomingFrom(frame, from, (answer) => socket.write(answer), socket)
        server.received.push(incoming)
        server.handle(incoming)
      }
    })
  }
  const listener = tls === undefined ? createServer(onConnection) : createTlsServer(tls, onConnection)
  listener.listen(port, '127.0.0.1')
  await once(listener, 'listening')
  const server = {
    address: { address: '127.0.0.1', port: (listener.address() as AddressInfo).port },
    received: [] as Incoming[],
    handle,
    connections,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        for (const socket of connections) socket.destroy()
        listener.close(() => {
          resolve()
        })
      })
  }
  return server
}
