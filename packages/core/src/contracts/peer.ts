import type { Metadata } from './metadata.ts'
import type { PeerNetwork } from './network.ts'

/**
 * One sighting: a remote service as one provider sees it. A device seen by two providers is two peers and one {@link Device}.
 * A peer that went offline never comes back; the returning service is a new object.
 */
export interface Peer {
  /** Unique over all providers and opaque, e.g. `Shop._couchbaseP2P._tcp.local`. Not a stable device identity. */
  readonly id: string
  /** Name of the provider that sees it, e.g. `DNS-SD`. */
  readonly provider: string
  /** True while it is in the set of peers; once false, false for ever. */
  readonly online: boolean
  /** Whether the provider thinks that connecting makes sense now (radio strength). May flap without an event. */
  readonly connectable: boolean
  readonly displayName: string
  /** What is known now; may be empty until {@link Peer.monitorMetadata} was called. */
  readonly metadata: Metadata
  /**
   * The device id the metadata claims, see `deviceIdFromMetadata`; unproven until TLS has verified the certificate.
   * Undefined when the peer claims none.
   */
  readonly claimedDeviceId: string | undefined
  /**
   * Asks the provider where to connect. One at a time per peer; resolves within the provider's deadline.
   * @throws ERR_PD_RESOLVE_BUSY when a call is already under way, ERR_PD_PEER_OFFLINE when the peer is or goes offline,
   * ERR_PD_RESOLVE_FAILED when the provider cannot tell, the signal's reason when cancelled.
   */
  resolveUrl(options?: { signal?: AbortSignal }): Promise<ResolvedUrl>
  /** Starts or stops watching the peer's metadata; changes arrive as `peerMetadataChanged`. */
  monitorMetadata(on: boolean): void
}

/** Where a peer can be reached, as its provider found out. */
export interface ResolvedUrl {
  /** At least a scheme and a host: `wss://shop.local:4984/db` or `l2cap://<device>:<psm>`. */
  readonly url: string
  /** For IP protocols: every address of the host, most promising first, IPv6 link-local ones with `%interface`. */
  readonly addresses: readonly string[]
  /**
   * What the device says of its network, when the provider carries that. Its presence also tells that the provider has a
   * {@link SignalingChannel} to the device, which reverse connections, hole punching and relays need.
   */
  readonly network?: PeerNetwork
}

/** One device, seen by any number of providers at once: what users list and connect to. */
export interface Device {
  /**
   * Peer id (lowercase hex SHA-256 of the identity certificate), when a sighting claims one; otherwise
   * `sighting:<peer id>` of its only sighting.
   */
  readonly id: string
  readonly displayName: string
  /** All current sightings, in the order of their appearance; never empty while the device is listed. */
  readonly peers: readonly Peer[]
}
