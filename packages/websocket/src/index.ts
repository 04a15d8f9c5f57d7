/**
 * WebSocket message sockets over any byte stream, client and server.
 *
 * @example
 * ```ts
 * import { duplexPair } from 'node:stream'
 * import { createWebSocketAcceptor, openWebSocket } from '@kithmesh/websocket'
 *
 * const [near, far] = duplexPair()
 * const acceptor = createWebSocketAcceptor({
 *   selectProtocol: (offered) => offered.find((name) => name === 'echo'),
 *   onConnection: (socket) => {
 *     socket.attach({ message: (data) => { socket.send(data) }, drained () {}, closed () {} })
 *   }
 * })
 * acceptor.accept(far, undefined)
 * const { socket } = await openWebSocket(near, { url: 'ws://peer/db', protocols: ['echo'] })
 * socket.attach({ message: (data) => { console.log(data.toString()); socket.close() }, drained () {}, closed () {} })
 * socket.send(Buffer.from('hello'))
 * ```
 * @packageDocumentation
 */
export { createWebSocketAcceptor, unauthorized } from './acceptor.ts'
export type { AcceptedRequest, UpgradeDecision, UpgradeRequest, WebSocketAcceptor, WebSocketAcceptorOptions } from './acceptor.ts'
export { webSocketErrors } from './errors.ts'
export { messageSocketFromWebSocket } from './message-socket.ts'
export type { MessageSocketOptions } from './message-socket.ts'
export { openWebSocket } from './open-web-socket.ts'
export type { OpenedWebSocket, OpenWebSocketOptions } from './open-web-socket.ts'
