/**
 * BLIP 3: requests and replies of any size, many at once in both directions, over one message socket.
 *
 * @example
 * ```ts
 * import { connect } from 'node:net'
 * import type { MessageSocket } from '@kithmesh/core'
 * import { createBlipConnection } from '@kithmesh/blip'
 *
 * export function talk(socket: MessageSocket): void {
 *   const peer = createBlipConnection(socket)
 *   peer.handle('echo', (request) => {
 *     request.respond({ body: request.body })
 *   })
 *   peer.request({ profile: 'echo', properties: { lang: 'en' }, body: Buffer.from('hello') }, (reply) => {
 *     console.log(reply.kind, reply.kind === 'ok' ? reply.body.toString() : '')
 *     peer.close()
 *   })
 *   peer.onClosed(({ code, error }) => {
 *     console.log(code, error)
 *   })
 * }
 * ```
 *
 * @packageDocumentation
 */
export { BufferBudget, outOfBudget } from './buffer-budget.ts'
export type { BudgetHolder } from './buffer-budget.ts'
export { createBlipConnection } from './connection.ts'
export type { BlipConnectionOptions } from './connection-options.ts'
export type {
  BlipPeer,
  BodyReader,
  IncomingMessage,
  IncomingRequest,
  OpenBlipConnection,
  OutgoingMessage,
  OutgoingProperties,
  OutgoingRequest,
  Properties,
  Reply,
  RequestOptions
} from './contracts.ts'
export type { SyncZlib, SyncZlibFactory } from './deflate.ts'
export { blipErrors } from './errors.ts'
