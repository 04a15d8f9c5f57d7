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
export type { Clock } from './contracts/clock.ts'
export type {
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
export type { ClaimedStream, DialPolicy, IncomingClaims } from './contracts/incoming.ts'
export type { Logger } from './contracts/logger.ts'
export type { Metadata, MetadataInput } from './contracts/metadata.ts'
export type { Device, Peer, ResolvedUrl } from './contracts/peer.ts'
export type {
  NatBehaviour,
  NatDependence,
  NetworkFacts,
  NetworkProbe,
  NetworkProbeFactory,
  NetworkRoute,
  NetworkView,
  PeerNetwork,
  PortAllocation
} from './contracts/network.ts'
export type { DevicesChange, PeerDiscoveryObserver } from './contracts/observer.ts'
export { PROVIDER_CONTRACT_VERSION } from './contracts/provider.ts'
export type {
  PeerDiscoveryProvider,
  PeerSighting,
  ProviderCapabilities,
  ProviderContext,
  ProviderFactory,
  ProviderMode,
  ProviderStatus,
  PublishOptions
} from './contracts/provider.ts'
export type { ConnectionAttempt, ConnectionReport } from './contracts/report.ts'
export type {
  Signaling,
  SignalingBody,
  SignalingChannel,
  SignalingHandler,
  SignalingRequestOptions
} from './contracts/signaling.ts'
export type {
  ByteSocket,
  ByteSocketFactory,
  MessageSocket,
  MessageSocketFactory,
  MessageSocketHandlers,
  OpenMessageSocketOptions,
  OpenSocketOptions,
  SocketCloseInfo,
  SocketFactory
} from './contracts/socket.ts'
export { TRANSPORT_CONTRACT_VERSION } from './contracts/transport.ts'
export type {
  Assessment,
  AttemptOptions,
  ConnectTarget,
  ListenOptions,
  TransportCapabilities,
  TransportContext,
  TransportFactory,
  TransportListener,
  TransportStrategy
} from './contracts/transport.ts'
export { createPeerDiscovery } from './create-peer-discovery.ts'
export { DEVICE_UUID_KEY, PEER_ID_KEY, deviceIdFromMetadata, peerIdMetadata } from './device-claim.ts'
export { createDialPolicy } from './dial-policy.ts'
export type { DialPolicyOptions } from './dial-policy.ts'
export { coreErrors } from './error-catalogue.ts'
export { KithmeshError, defineErrors, errorCode, isKithmeshError } from './errors.ts'
export type { ErrorCatalogue, ErrorDescription, KithmeshErrorOptions } from './errors.ts'
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
export { formatConnectionReport } from './route-report.ts'
export { systemClock } from './system-clock.ts'
export { dials, keepWhich } from './tie-break.ts'
export type { LinkEnd } from './tie-break.ts'
export type { Rate } from './token-bucket.ts'
export { decodeTxt, encodeTxt, metadataFromItems, toMetadata, txtItems } from './txt.ts'
