/**
 * Reference plugins that run inside one process, for tests and examples.
 *
 * @example
 * import { MemoryMedium, memoryProvider } from '@kithmesh/testkit/memory'
 *
 * const medium = new MemoryMedium()
 * const factory = memoryProvider(medium, { host: 'till' })
 * console.log(factory.capabilities.publishes)
 *
 * @packageDocumentation
 */
export { duplexPair } from './duplex-pair.ts'
export { MemoryMedium } from './medium.ts'
export type { MemoryAccept, MemoryMediumListener, MemoryService } from './medium.ts'
export { memoryProvider } from './provider.ts'
export type { MemoryProviderOptions } from './provider.ts'
export { memoryErrors } from './errors.ts'
export { memorySocketFactory } from './socket-factory.ts'
export { listenMemoryMessages, memoryMessageSocketFactory } from './message-socket.ts'
export type { MemoryMessageOptions } from './message-socket.ts'
export { MemorySocket, memorySocketPair } from './socket-pair.ts'
export type { MemorySocketPairOptions } from './socket-pair.ts'
export { MemorySignaling } from './signaling.ts'
export { memoryTransport } from './transport.ts'
export type { MemoryTransportOptions } from './transport.ts'
