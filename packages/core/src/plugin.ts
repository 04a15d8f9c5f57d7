/**
 * What authors of providers and transports need.
 *
 * A plugin is a function that takes its options and returns a factory; the factory is given a context when
 * `createPeerDiscovery` composes everything.
 *
 * @example
 * ```ts
 * import { PROVIDER_CONTRACT_VERSION, coreErrors, defineProvider, type ProviderFactory } from '@kithmesh/core/plugin'
 *
 * export function fixedPeers (peers: Readonly<Record<string, string>>): ProviderFactory {
 *   return defineProvider({
 *     name: 'fixed',
 *     contractVersion: PROVIDER_CONTRACT_VERSION,
 *     capabilities: { publishes: false, metadata: false, metadataUpdates: false, reportsDisappearance: false, suppliesSocketFactory: false, incomingConnections: false },
 *     create: (context) => ({
 *       async startBrowsing () {
 *         context.statusChanged('browse', { state: 'online' })
 *         context.peersFound(Object.keys(peers).map((name) => ({ id: `fixed:${name}`, displayName: name })))
 *       },
 *       async stopBrowsing () { context.statusChanged('browse', { state: 'offline' }) },
 *       async startPublishing () { throw coreErrors.create('ERR_PD_UNSUPPORTED', 'A fixed list cannot publish') },
 *       async stopPublishing () {},
 *       async updateMetadata () { throw coreErrors.create('ERR_PD_NOT_PUBLISHING', 'Nothing is published') },
 *       monitorMetadata () {},
 *       async resolveUrl (id) { return { url: peers[id.slice('fixed:'.length)] ?? '', addresses: [] } },
 *       socketFactory: () => undefined,
 *       async shutdown () {}
 *     })
 *   })
 * }
 * ```
 *
 * @packageDocumentation
 */
export type { Clock } from './contracts/clock.ts'
export type { ClaimedStream, DialPolicy, IncomingClaims } from './contracts/incoming.ts'
export type { Logger } from './contracts/logger.ts'
export type { Metadata, MetadataInput } from './contracts/metadata.ts'
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
export type { Device, Peer, ResolvedUrl } from './contracts/peer.ts'
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
export { defineProvider, defineTransport } from './define-plugin.ts'
export { withDeadline } from './deadline.ts'
export type { DeadlineOptions } from './deadline.ts'
export { Deferred } from './deferred.ts'
export { DEVICE_UUID_KEY, PEER_ID_KEY, deviceIdFromMetadata, peerIdMetadata } from './device-claim.ts'
export { addressKind } from './dial-target.ts'
export type { AddressKind } from './dial-target.ts'
export { coreErrors } from './error-catalogue.ts'
export { KithmeshError, defineErrors, errorCode, isKithmeshError } from './errors.ts'
export type { ErrorCatalogue, ErrorDescription, KithmeshErrorOptions } from './errors.ts'
export { checkPeerGroupId } from './group-id.ts'
export { ClaimTable, connectionPreamble } from './incoming-claims.ts'
export { joinSignals } from './joined-signals.ts'
export type { JoinedSignals } from './joined-signals.ts'
export { Lifecycle } from './lifecycle.ts'
export type { LifecycleHooks, LifecycleState } from './lifecycle.ts'
export { lineLogger, silentLogger } from './loggers.ts'
export type { LogLevel } from './loggers.ts'
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
export { retry } from './retry.ts'
export type { RetryOptions } from './retry.ts'
export { SignalingHub } from './signaling.ts'
export type { SignalingHubOptions } from './signaling.ts'
export { systemClock } from './system-clock.ts'
export { dials, keepWhich } from './tie-break.ts'
export type { LinkEnd } from './tie-break.ts'
export { decodeTxt, encodeTxt, metadataFromItems, toMetadata, txtItems } from './txt.ts'
export { PEER_GROUP_NAMESPACE, formatUuid, uuid5, uuidDigits } from './uuid5.ts'
