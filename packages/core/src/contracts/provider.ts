import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'
import type { Metadata } from './metadata.ts'
import type { NetworkView } from './network.ts'
import type { Peer, ResolvedUrl } from './peer.ts'
import type { SignalingChannel } from './signaling.ts'
import type { ByteSocket, SocketFactory } from './socket.ts'

/** Version of the provider contract in this file; a factory with another one is refused at registration. */
export const PROVIDER_CONTRACT_VERSION = 1

/** What one half of a provider is doing. */
export type ProviderMode = 'browse' | 'publish'

export type ProviderStatus =
  | { readonly state: 'offline' }
  | { readonly state: 'starting' }
  | { readonly state: 'online' }
  | { readonly state: 'failed'; readonly error: Error }

/** What a provider can and cannot do. Frozen, on the factory: the conformance suite and users read the same record. */
export interface ProviderCapabilities {
  /** Can make this device discoverable. Without it `startPublishing` rejects with ERR_PD_UNSUPPORTED. */
  readonly publishes: boolean
  /** Publishes and reads metadata. */
  readonly metadata: boolean
  /** Metadata changes of a peer are noticed while it stays online. */
  readonly metadataUpdates: boolean
  /** Reports peers that vanish. */
  readonly reportsDisappearance: boolean
  /** `socketFactory()` returns a factory; false means that plain `ws:`/`wss:` URLs are resolved. */
  readonly suppliesSocketFactory: boolean
  /** Connections of peers arrive through `context.incomingConnection`. */
  readonly incomingConnections: boolean
  /** Its own sockets are slow or costly: used when nothing else works, and left for any other route. @default false */
  readonly lastResort?: boolean
  /** What it publishes leads to the TCP port of a listener; if not, it publishes without one, too. @default true */
  readonly needsPort?: boolean
}

/** A discovery protocol as an application chooses it: `dnssd()`, `ble()`. Curried: options first, the context at composition. */
export interface ProviderFactory {
  /** Names the protocol in logs and in {@link Peer.provider}; well known: `DNS-SD`, `BluetoothLE`, `MQTT`. */
  readonly name: string
  readonly contractVersion: number
  readonly capabilities: Readonly<ProviderCapabilities>
  create(context: ProviderContext): PeerDiscoveryProvider
}

export interface PublishOptions {
  /** Shown to people; need not be unique. The provider may append a number. */
  readonly displayName: string
  /** TCP port of this device's listener, 1–65535; 0 when there is none, for providers whose capabilities say that they need none. */
  readonly port: number
  /** What peers are to be shown. The map stays the caller's, who may change it afterwards: whoever publishes it later than in the call keeps a copy. */
  readonly metadata: Metadata
}

/** A peer as the provider reports it; its identity is `id`, reporting the same id again updates it. */
export interface PeerSighting {
  readonly id: string
  readonly displayName: string
  readonly connectable?: boolean
  readonly metadata?: Metadata
}

/**
 * What a provider is given. The calls are the only way it speaks to the rest; all of them return at once,
 * may be called at any time between `create` and the end of `shutdown`, and are ignored afterwards.
 */
export interface ProviderContext {
  /** 1–63 bytes UTF-8, no `,` `\` nor control characters; dots are allowed (a provider encodes them where its protocol cannot carry them). */
  readonly peerGroupId: string
  /** This device's peer id, lowercase hex, 64 characters. */
  readonly localPeerId: string
  readonly logger: Logger
  readonly clock: Clock
  /** This machine's network: what a provider that carries a `PeerNetwork` publishes, again whenever it changes. */
  readonly network: NetworkView
  /** The mode went online, offline or failed. Leaving `online` in browse mode removes all of the provider's peers. */
  statusChanged(mode: ProviderMode, status: ProviderStatus): void
  /** New or changed sightings. Only while browsing is online. */
  peersFound(sightings: readonly PeerSighting[]): void
  /** Sightings that are gone, by id; unknown ids are ignored. */
  peersLost(ids: readonly string[]): void
  /** A peer's metadata as a whole; an unchanged map causes no event. */
  metadataChanged(id: string, metadata: Metadata): void
  /**
   * A peer connected to us (non-IP transports, only while publishing). True: an observer took the socket and owns it.
   * False: nobody wanted it and the provider must destroy it.
   */
  incomingConnection(id: string | undefined, socket: ByteSocket): boolean
}

/**
 * One discovery protocol at work. All promises settle within the provider's own deadline; start and stop are
 * idempotent and may be called in any order; after a failure `start…` may be called again.
 * Errors after a successful start are reported by `context.statusChanged(mode, { state: 'failed', error })`.
 *
 * The discovery calls start and stop of one mode one at a time. It calls stop after a start that failed, and before it
 * starts a mode again that failed while it ran. What is reported for a mode that is not wanted is ignored.
 */
export interface PeerDiscoveryProvider {
  /** Starts looking for peers of the group. Resolves once the status is `online`. */
  startBrowsing(): Promise<void>
  /** Resolves once nothing is reported any more. */
  stopBrowsing(): Promise<void>
  /** Makes this device discoverable and, where capable, accepts connections. Resolves once the status is `online`. */
  startPublishing(options: PublishOptions): Promise<void>
  /** Withdraws the publication; peers are told where the protocol can. */
  stopPublishing(): Promise<void>
  /** Replaces the published metadata by what the map holds at the call. Rejects with ERR_PD_NOT_PUBLISHING when not publishing. */
  updateMetadata(metadata: Metadata): Promise<void>
  /** Begins or ends watching a peer's metadata; unknown ids are ignored. */
  monitorMetadata(id: string, on: boolean): void
  /** Finds out where to connect; settles once. The signal cancels. */
  resolveUrl(id: string, options: { readonly signal: AbortSignal }): Promise<ResolvedUrl>
  /** A factory that understands the URLs of `resolveUrl`, or undefined when they are plain `ws:`/`wss:`. */
  socketFactory(): SocketFactory | undefined
  /** A side channel to the peers of this provider; it works while browsing or publishing is online. The same object every time. */
  signalingChannel?(): SignalingChannel | undefined
  /** Stops everything for good and releases sockets and timers; nothing is reported afterwards. */
  shutdown(): Promise<void>
}
