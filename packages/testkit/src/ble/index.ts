/**
 * A virtual Bluetooth LE radio: controllers that any host can drive over HCI, and the air between them. No hardware, no operating system, and
 * time as the test wants it.
 *
 * @example
 * import { realClock } from '@kithmesh/testkit'
 * import { VirtualAir } from '@kithmesh/testkit/ble'
 *
 * const air = new VirtualAir({ clock: realClock })
 * const controller = air.controller({ address: 'c0ffee000001' })
 * const port = await controller.open(
 *   { packet: (packet) => console.log(packet), closed: (error) => console.log(error.message) },
 *   { signal: AbortSignal.timeout(1000) }
 * )
 * port.send(Uint8Array.of(0x01, 0x03, 0x0c, 0x00)) // Reset; <Buffer 04 0e 04 01 03 0c 00>
 * await air.close()
 *
 * @packageDocumentation
 */
export { VirtualAir } from './air.ts'
export type { AirOptions, Pace } from './air.ts'
export type { AirLinkView, AirViolation, ControllerOptions, VirtualController } from './controller-types.ts'
export type { AirAddress } from './device-address.ts'
export { airErrors } from './errors.ts'
export { serveAir } from './listener.ts'
export type { AirServer, AirServerOptions } from './listener.ts'
export type { ConnectionFailures } from './medium.ts'
export type { Loss, Position } from './propagation.ts'
export { seededRandom } from './random.ts'
export type { Random } from './random.ts'
