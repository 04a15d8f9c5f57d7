/** The types that programs and plugins share: `@kithmesh/core` and `@kithmesh/core/plugin` both export them. */
export type { Clock } from './contracts/clock.ts'
export type {
  ConflictMessage,
  ConnectMessage,
  DeviceChangedMessage,
  DiagnosticChannelName,
  DiagnosticDevice,
  DiagnosticDocument,
  DiagnosticError,
  DiagnosticMessages,
  DiagnosticSource,
  DiagnosticTraffic,
  DocumentsMessage,
  LinkStateMessage,
  ProviderStatusMessage,
  TrustRefusedMessage
} from './contracts/diagnostics.ts'
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
export type {
  Assessment,
  AttemptOptions,
  ConnectTarget,
  ListenOptions,
  RouteQuality,
  TransportCapabilities,
  TransportContext,
  TransportFactory,
  TransportListener,
  TransportStrategy
} from './contracts/transport.ts'
export type {
  AccessCriteria,
  AccessRule,
  AccessSubject,
  ActiveConnection,
  InboundDecision,
  IncomingPeer,
  IncomingTrustPolicy,
  KnownPeer,
  KnownPeersStore,
  ObservableList,
  PacketKind,
  TrustExchange,
  TrustLevel,
  TrustProtocol,
  TrustVerdict
} from './contracts/trust.ts'
