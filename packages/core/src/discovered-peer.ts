import type { Clock } from './contracts/clock.ts'
import type { Metadata } from './contracts/metadata.ts'
import type { Peer, ResolvedUrl } from './contracts/peer.ts'
import type { PeerSighting } from './contracts/provider.ts'
import { deviceIdFromMetadata } from './device-claim.ts'
import { sameMetadata } from './same-metadata.ts'
import { UrlResolver } from './url-resolver.ts'

/** What a peer asks of the provider that sees it. */
export interface PeerSource {
  readonly provider: string
  readonly clock: Clock
  readonly resolveDeadlineMs?: number
  resolveUrl(id: string, options: { readonly signal: AbortSignal }): Promise<ResolvedUrl>
  monitorMetadata(id: string, on: boolean): void
}

const nothing: Metadata = new Map()

/** The peer that applications see, and the calls by which the peer table keeps it current. */
export class DiscoveredPeer implements Peer {
  readonly id: string
  readonly provider: string
  readonly #source: PeerSource
  readonly #resolver: UrlResolver
  #online = true
  #connectable: boolean
  #displayName: string
  #metadata: Metadata
  #claim: string | undefined
  #monitored = false

  constructor(source: PeerSource, sighting: PeerSighting) {
    this.#source = source
    this.id = sighting.id
    this.provider = source.provider
    this.#connectable = sighting.connectable ?? true
    this.#displayName = sighting.displayName
    this.#metadata = new Map(sighting.metadata ?? nothing)
    this.#claim = deviceIdFromMetadata(this.#metadata)
    this.#resolver = new UrlResolver({
      peerId: sighting.id,
      clock: source.clock,
      ask: (signal) => source.resolveUrl(sighting.id, { signal }),
      ...(source.resolveDeadlineMs === undefined ? {} : { deadlineMs: source.resolveDeadlineMs })
    })
  }

  get online(): boolean {
    return this.#online
  }
  get connectable(): boolean {
    return this.#online && this.#connectable
  }
  get displayName(): string {
    return this.#displayName
  }
  get metadata(): Metadata {
    return this.#metadata
  }
  get claimedDeviceId(): string | undefined {
    return this.#claim
  }

  resolveUrl(options: { signal?: AbortSignal } = {}): Promise<ResolvedUrl> {
    return this.#resolver.exclusive(options.signal)
  }

  /** For route races: shares a question that is under way instead of refusing a second one. */
  resolveShared(signal: AbortSignal): Promise<ResolvedUrl> {
    return this.#resolver.shared(signal)
  }

  monitorMetadata(on: boolean): void {
    if (!this.#online || this.#monitored === on) return
    this.#monitored = on
    this.#source.monitorMetadata(this.id, on)
  }

  /** @returns whether the name differs from before. */
  rename(displayName: string): boolean {
    if (displayName === this.#displayName) return false
    this.#displayName = displayName
    return true
  }

  setConnectable(connectable: boolean): void {
    this.#connectable = connectable
  }

  /** @returns whether the map differs from before. */
  setMetadata(metadata: Metadata): boolean {
    if (sameMetadata(metadata, this.#metadata)) return false
    this.#metadata = new Map(metadata)
    this.#claim = deviceIdFromMetadata(this.#metadata)
    return true
  }

  /** Takes it offline for good; a `resolveUrl` under way fails with ERR_PD_PEER_OFFLINE. The metadata last seen stays readable. */
  leave(): void {
    this.#online = false
    this.#resolver.peerLeft()
  }
}
