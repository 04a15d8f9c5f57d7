/**
 * Conformance suites for authors of Kithmesh plugins. A suite is handed its runner, reads what the subject can do from the subject,
 * and acts only on the medium around it.
 *
 * @example
 * import * as runner from 'node:test'
 * import { describePeerDiscoveryProvider } from '@kithmesh/testkit'
 * import { MemoryMedium, memoryProvider } from '@kithmesh/testkit/memory'
 *
 * describePeerDiscoveryProvider('memory', {
 *   factory: memoryProvider(new MemoryMedium()),
 *   async create () {
 *     const medium = new MemoryMedium()
 *     return { factoryFor: (host) => memoryProvider(medium, { host }), async [Symbol.asyncDispose] () {} }
 *   }
 * }, runner)
 *
 * @packageDocumentation
 */
export { collect, failures } from './collect.ts'
export type { CollectOptions, Outcome } from './collect.ts'
export { eventually, within } from './eventually.ts'
export type { EventuallyOptions } from './eventually.ts'
export { fastClock } from './fast-clock.ts'
export { manualClock } from './manual-clock.ts'
export type { ManualClock } from './manual-clock.ts'
export { airErrors } from './ble/errors.ts'
export { certifyErrors } from './certify/errors.ts'
export { natlabErrors } from './natlab/errors.ts'
export { describePeerDiscoveryProvider } from './provider/describe.ts'
export type { AnnouncedService, Announcement, ProviderFixture, ProviderHarness } from './provider/harness.ts'
export { recordingContext } from './provider/recording-context.ts'
export type { KnownPeer, ProviderEvent, RecordingContext } from './provider/recording-context.ts'
export { realClock } from './real-clock.ts'
export { recordingLogger } from './recording-logger.ts'
export type { LogEntry, RecordingLogger } from './recording-logger.ts'
export { rejection } from './rejection.ts'
export { globalRunner } from './runner.ts'
export type { Runner, TestBody } from './runner.ts'
export { describeSocketFactory } from './socket-factory/describe.ts'
export type { ByteSocketHarness, MessageSocketHarness, SilentListener, SocketHarness, TestListener } from './socket-factory/harness.ts'
export { connectTarget } from './transport/bench.ts'
export { describeTransportStrategy } from './transport/describe.ts'
export type { PassiveSide, TransportFixture, TransportHarness } from './transport/harness.ts'
export { fixedNetworkView, unknownNetwork } from './unknown-network.ts'
