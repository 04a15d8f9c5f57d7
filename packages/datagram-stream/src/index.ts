/**
 * A reliable, ordered byte stream over anything that carries datagrams: a UDP socket, a channel of a TURN relay.
 *
 * @example
 * ```ts
 * import { createSocket } from 'node:dgram'
 * import { randomBytes } from 'node:crypto'
 * import { once } from 'node:events'
 * import { openDatagramStream, udpPath } from '@kithmesh/datagram-stream'
 *
 * const left = createSocket('udp4').bind(0, '127.0.0.1')
 * const right = createSocket('udp4').bind(0, '127.0.0.1')
 * await Promise.all([once(left, 'listening'), once(right, 'listening')])
 * const secret = randomBytes(32)
 * const [one, other] = await Promise.all([
 *   openDatagramStream({ path: udpPath(left, { address: '127.0.0.1', port: right.address().port }), secret, role: 'initiator' }),
 *   openDatagramStream({ path: udpPath(right, { address: '127.0.0.1', port: left.address().port }), secret, role: 'responder' })
 * ])
 * other.pipe(other)
 * one.end('hello')
 * for await (const chunk of one) console.log(String(chunk))
 * ```
 * @packageDocumentation
 */
export { openDatagramStream } from './datagram-stream.ts'
export type { DatagramPath, DatagramPathHandlers, DatagramStreamOptions } from './datagram-stream.ts'
export { datagramErrors } from './errors.ts'
export { udpPath } from './udp-path.ts'
export type { UdpEndpoint } from './udp-path.ts'
