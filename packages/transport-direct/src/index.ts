/**
 * Direct TCP and TLS connections with Happy Eyeballs: a transport strategy for peers, socket factories for URLs, a bounded listener.
 *
 * @example
 * ```ts
 * import { createTcpListener, webSocketFactory } from '@kithmesh/transport-direct'
 * import { createWebSocketAcceptor } from '@kithmesh/websocket'
 *
 * const acceptor = createWebSocketAcceptor({
 *   selectProtocol: (offered) => offered[0],
 *   onConnection: (socket) => { socket.attach({ message: (data) => { socket.send(data) }, drained () {}, closed () {} }) }
 * })
 * const listener = await createTcpListener({ host: '127.0.0.1', onConnection: (stream) => { acceptor.accept(stream, undefined) } })
 * const socket = await webSocketFactory().open(`ws://127.0.0.1:${listener.port}/db`, { protocols: ['echo'], signal: AbortSignal.timeout(5_000) })
 * socket.attach({ message: (data) => { console.log(data.toString()); socket.close() }, drained () {}, closed: () => { void listener.close() } })
 * socket.send(Buffer.from('hello'))
 * ```
 * @packageDocumentation
 */
export { formatHostPort } from '@kithmesh/core/plugin'
export { orderAddresses } from './addresses.ts'
export { dial } from './dial.ts'
export type { DialAttempt, DialOptions } from './dial.ts'
export { direct } from './direct.ts'
export type { DirectOptions } from './direct.ts'
export { directErrors } from './errors.ts'
export { tcpSocketFactory, webSocketFactory } from './socket-factories.ts'
export type { OpenedConnection, TcpSocketFactoryOptions, WebSocketFactoryOptions } from './socket-factories.ts'
export { createTcpListener } from './listener.ts'
export type { AcceptedConnection, TcpListener, TcpListenerOptions } from './listener.ts'
