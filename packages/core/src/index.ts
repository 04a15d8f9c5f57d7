/**
 * Finds the devices of a peer group by any number of discovery protocols at once, lists each device once, and connects to it by
 * the best route there is.
 *
 * @example
 * ```ts
 * import { createPeerDiscovery, formatConnectionReport } from '@kithmesh/core'
 * import type { ProviderFactory, TransportFactory } from '@kithmesh/core'
 *
 * export async function greetEveryone (localPeerId: string, providers: ProviderFactory[], transports: TransportFactory[]): Promise<void> {
 *   const discovery = createPeerDiscovery({ peerGroupId: 'com.example.greeter', localPeerId, providers, transports })
 *   discovery.addObserver({
 *     devicesChanged: ({ added }) => {
 *       for (const device of added) {
 *         discovery.connect(device).then(
 *           ({ socket, route }) => { process.stdout.write(`${device.displayName} by ${route}\n`); socket.end('hello') },
 *           () => {
 *             const report = discovery.explain(device)
 *             if (report !== undefined) process.stderr.write(formatConnectionReport(report) + '\n')
 *           }
 *         )
 *       }
 *     }
 *   })
 *   await discovery.start({ publish: { displayName: 'Greeter', port: 4984 } })
 *   process.once('SIGINT', () => { void discovery.shutdown() })
 * }
 * ```
 *
 * Plugins are written against `@kithmesh/core/plugin`; `@kithmesh/core/di` is for applications with a tsyringe container.
 *
 * @packageDocumentation
 */
export type { PeerDiscoveryOptions } from './check-options.ts'
export type * from './contracts.ts'
export type {
  AssessOptions,
  ChangesOptions,
  ConnectOptions,
  Connection,
  DiscoveryChange,
  DiscoveryChanges,
  DiscoveryListenOptions,
  DiscoveryListener,
  PeerDiscovery,
  PublishInput,
  StartOptions
} from './contracts/discovery.ts'
export type { DevicesChange, IncomingSource, PeerDiscoveryObserver } from './contracts/observer.ts'
export { PROVIDER_CONTRACT_VERSION } from './contracts/provider.ts'
export type {
  AttemptStep,
  ConnectionAttempt,
  ConnectionReport,
  DeviceAssessment,
  ReportedSighting,
  RouteAssessment
} from './contracts/report.ts'
export { TRANSPORT_CONTRACT_VERSION } from './contracts/transport.ts'
export { createPeerDiscovery } from './create-peer-discovery.ts'
export { DEVICE_UUID_KEY, PEER_ID_KEY, deviceIdFromMetadata, peerIdMetadata } from './device-claim.ts'
export { CONNECT_CHANNEL, onDiagnostic } from './diagnostics.ts'
export { createDialPolicy } from './dial-policy.ts'
export type { DialPolicyOptions } from './dial-policy.ts'
export { coreErrors } from './errors.ts'
export { KithmeshError, defineErrors, errorCode, isKithmeshError } from './kithmesh-error.ts'
export type { ErrorCatalogue, ErrorDescription, KithmeshErrorOptions } from './kithmesh-error.ts'
export { checkPeerGroupId } from './group-id.ts'
export { lineLogger, silentLogger } from './loggers.ts'
export type { LogLevel } from './loggers.ts'
export { fromP2pdNat, toP2pdNat } from './peer-address/p2pd-nat.ts'
export type { P2pdNat } from './peer-address/p2pd-nat.ts'
export { fromP2pdAddress, toP2pdAddress } from './peer-address/convert.ts'
export type { ConvertedAddress, FromP2pdOptions, ToP2pdOptions } from './peer-address/convert.ts'
export type { AddressProblem } from './peer-address/invalid-address.ts'
export { peerNetworkFromJson, peerNetworkToJson } from './peer-address/network-json.ts'
export type { PeerNetworkJson } from './peer-address/network-json.ts'
export { formatP2pdAddress, parseP2pdAddress } from './peer-address/p2pd-address.ts'
export type { P2pdAddress, P2pdAddressOptions, P2pdInterface } from './peer-address/p2pd-address.ts'
export { formatPeerAddress, parsePeerAddress } from './peer-address/peer-address.ts'
export type { PeerAddress } from './peer-address/peer-address.ts'
export { isPeerId } from './peer-id.ts'
export { formatConnectionReport, formatDeviceAssessment } from './route-report.ts'
export { systemClock } from './system-clock.ts'
export { dials, keepWhich } from './tie-break.ts'
export type { LinkEnd } from './tie-break.ts'
export type { Rate } from './token-bucket.ts'
export { AccessLists } from './trust/access-lists.ts'
export type { AccessListsJson, AccessListsOptions } from './trust/access-lists.ts'
export { InboundQueue } from './trust/inbound-queue.ts'
export type { InboundEntry, InboundQueueOptions } from './trust/inbound-queue.ts'
export { KnownPeers } from './trust/known-peers.ts'
export type { KnownPeersOptions, PeerToRemember } from './trust/known-peers.ts'
export { remoteAddress } from './trust/remote-address.ts'
export { ListState } from './trust/observable-list.ts'
export { RateLimiter, addressSource } from './trust/rate-limiter.ts'
export type { RateLimiterOptions } from './trust/rate-limiter.ts'
export { DEFAULT_TRUST_POLICY, packetAllowed } from './trust/packet-gate.ts'
export { decodeTxt, encodeTxt, metadataFromItems, toMetadata, txtItems } from './txt.ts'
