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
export type * from './contracts.ts'
export { addressBits, addressRange, inRange, isLinkLocal, isLinkLocal6, samePrefix } from './address-range.ts'
export type { AddressBits, AddressRange } from './address-range.ts'
export { PROVIDER_CONTRACT_VERSION } from './contracts/provider.ts'
export { TRANSPORT_CONTRACT_VERSION } from './contracts/transport.ts'
export { checkInteger, checkPositive, checkRange } from './check-numbers.ts'
export { defineProvider, defineTransport } from './define-plugin.ts'
export { withDeadline } from './deadline.ts'
export type { DeadlineOptions } from './deadline.ts'
export { Deferred } from './deferred.ts'
export { DEVICE_UUID_KEY, PEER_ID_KEY, deviceIdFromMetadata, peerIdMetadata } from './device-claim.ts'
export { CONNECT_CHANNEL, Diagnostics, diagnosticError, onDiagnostic } from './diagnostics.ts'
export type { DiagnosticFacts, DiagnosticsOptions } from './diagnostics.ts'
export { addressKind } from './dial-target.ts'
export type { AddressKind } from './dial-target.ts'
export { coreErrors } from './errors.ts'
export { KithmeshError, defineErrors, errorCode, isKithmeshError } from './kithmesh-error.ts'
export type { ErrorCatalogue, ErrorDescription, KithmeshErrorOptions } from './kithmesh-error.ts'
export { checkPeerGroupId } from './group-id.ts'
export { formatEndpoint, formatHostPort } from './host-port.ts'
export { addressBytes, addressText, unmappedBytes } from './ip-address.ts'
export { ClaimTable, connectionPreamble } from './incoming-claims.ts'
export { joinSignals } from './joined-signals.ts'
export type { JoinedSignals } from './joined-signals.ts'
export { Lifecycle } from './lifecycle.ts'
export type { LifecycleHooks, LifecycleState } from './lifecycle.ts'
export { limitedSignal, unlessAborted } from './limited-signal.ts'
export type { LimitedSignal } from './limited-signal.ts'
export { lineLogger, silentLogger } from './loggers.ts'
export type { LogLevel } from './loggers.ts'
export { fromP2pdAddress, toP2pdAddress } from './peer-address/convert.ts'
export type { ConvertedAddress, FromP2pdOptions, ToP2pdOptions } from './peer-address/convert.ts'
export type { AddressProblem } from './peer-address/invalid-address.ts'
export { peerNetworkFromJson, peerNetworkToJson } from './peer-address/network-json.ts'
export type { PeerNetworkJson } from './peer-address/network-json.ts'
export { NumberMap } from './number-map.ts'
export { formatP2pdAddress, parseP2pdAddress } from './peer-address/p2pd-address.ts'
export type { P2pdAddress, P2pdAddressOptions, P2pdInterface } from './peer-address/p2pd-address.ts'
export { formatPeerAddress, parsePeerAddress } from './peer-address/peer-address.ts'
export type { PeerAddress } from './peer-address/peer-address.ts'
export { ObserverSet } from './observer-set.ts'
export type { Mergers, ObserverArguments } from './observer-set.ts'
export { ownInterfaces } from './own-interfaces.ts'
export { isPeerId } from './peer-id.ts'
export { retry } from './retry.ts'
export type { RetryOptions } from './retry.ts'
export { SignalingHub } from './signaling.ts'
export type { SignalingHubOptions } from './signaling.ts'
export { sameMetadata } from './same-metadata.ts'
export { Slab } from './slab.ts'
export { staggered } from './staggered.ts'
export type { StaggeredOptions } from './staggered.ts'
export { systemClock } from './system-clock.ts'
export { dials, keepWhich } from './tie-break.ts'
export type { LinkEnd } from './tie-break.ts'
export { TokenBucket } from './token-bucket.ts'
export type { Rate } from './token-bucket.ts'
export { AccessLists } from './trust/access-lists.ts'
export type { AccessListsJson, AccessListsOptions } from './trust/access-lists.ts'
export { ConnectionCount } from './trust/connection-count.ts'
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
export { waitFor } from './wait-for.ts'
export { whenOpen } from './when-open.ts'
export { PEER_GROUP_NAMESPACE, formatUuid, uuid5, uuidDigits } from './uuid5.ts'
