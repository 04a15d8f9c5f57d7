import type { Metadata } from './contracts/metadata.ts'
import type { DevicesChange } from './contracts/observer.ts'
import type { Device, Peer } from './contracts/peer.ts'
import type { PeerSighting } from './contracts/provider.ts'
import { deviceIdFromMetadata } from './device-claim.ts'
import { DeviceEntry } from './device-entry.ts'
import type { DiscoveredPeer } from './discovered-peer.ts'

/** Most sightings of one provider that are listed, so that a flooded network cannot exhaust the memory. */
const MAX_PEERS_PER_PROVIDER = 16_384

export interface PeerTableOptions {
  /** A sighting that claims this peer id is ourselves and is not listed. */
  readonly localPeerId: string
  readonly createPeer: (provider: string, sighting: PeerSighting) => DiscoveredPeer
  readonly maxPeersPerProvider?: number
}

/** What a call did to the sightings. */
export interface PeersChange {
  readonly added: readonly Peer[]
  readonly removed: readonly Peer[]
  readonly metadataChanged: readonly Peer[]
  /** Reports that were refused, with the reason, for the log. */
  readonly refused: ReadonlyArray<{ readonly id: unknown; readonly reason: string }>
}

class Changes implements PeersChange {
  readonly added: DiscoveredPeer[] = []
  readonly removed: DiscoveredPeer[] = []
  readonly metadataChanged: DiscoveredPeer[] = []
  readonly refused: Array<{ id: unknown; reason: string }> = []
}

/**
 * Which peers are there, and which device each of them belongs to. Pure bookkeeping: no events, no time.
 *
 * A peer belongs to the device its metadata claims, or to a device of its own (`sighting:<peer id>`); when the claim changes it
 * moves. A peer id belongs to the provider that reported it first, until that one loses it.
 */
export class PeerTable {
  readonly #options: PeerTableOptions
  readonly #peers = new Map<string, DiscoveredPeer>()
  readonly #devices = new Map<string, DeviceEntry>()
  /** Number of listed peers by provider. */
  readonly #counts = new Map<string, number>()
  /** Sightings of ourselves by peer id: not listed, but another claim later makes them peers. */
  readonly #own = new Map<string, { readonly provider: string; readonly sighting: PeerSighting }>()
  /** Devices touched since the last `takeDevicesChange`, with whether they were listed then. */
  readonly #touched = new Map<string, { readonly entry: DeviceEntry; readonly listedBefore: boolean }>()

  constructor(options: PeerTableOptions) {
    this.#options = options
  }

  get peers(): readonly DiscoveredPeer[] {
    return [...this.#peers.values()]
  }
  get devices(): readonly Device[] {
    return [...this.#devices.values()]
  }
  peer(id: string): DiscoveredPeer | undefined {
    return this.#peers.get(id)
  }
  device(id: string): Device | undefined {
    return this.#devices.get(id)
  }

  /** New sightings, and news of known ones; metadata that is left out stays as it is. */
  found(provider: string, sightings: readonly PeerSighting[]): PeersChange {
    const changes = new Changes()
    for (const sighting of sightings) this.#found(provider, sighting, changes)
    return changes
  }

  /** Unknown ids, and ids of other providers, are ignored. */
  lost(provider: string, ids: readonly string[]): PeersChange {
    const changes = new Changes()
    for (const id of ids) {
      if (this.#own.get(id)?.provider === provider) this.#own.delete(id)
      const peer = this.#peers.get(id)
      if (peer?.provider === provider) this.#remove(peer, changes)
    }
    return changes
  }

  metadata(provider: string, id: string, metadata: Metadata): PeersChange {
    const changes = new Changes()
    if (!isMetadata(metadata)) {
      changes.refused.push({ id, reason: 'its metadata is no map' })
      return changes
    }
    const own = this.#own.get(id)
    const peer = this.#peers.get(id)
    if (own?.provider === provider) this.#found(provider, { ...own.sighting, metadata }, changes)
    else if (peer?.provider === provider) this.#setMetadata(peer, metadata, changes)
    return changes
  }

  /** The provider's browsing ended: all its peers are gone. */
  removeAll(provider: string): PeersChange {
    const changes = new Changes()
    for (const [id, own] of this.#own) if (own.provider === provider) this.#own.delete(id)
    for (const peer of this.#peers.values()) if (peer.provider === provider) this.#remove(peer, changes)
    return changes
  }

  /** How the devices differ from what they were at the last call; undefined when they do not. */
  takeDevicesChange(): DevicesChange | undefined {
    const change = { added: [] as Device[], changed: [] as Device[], removed: [] as Device[] }
    for (const [id, { entry, listedBefore }] of this.#touched) {
      const listed = this.#devices.has(id)
      if (listed && listedBefore) change.changed.push(entry)
      else if (listed) change.added.push(entry)
      else if (listedBefore) change.removed.push(entry)
    }
    this.#touched.clear()
    return change.added.length + change.changed.length + change.removed.length === 0 ? undefined : change
  }

  #found(provider: string, sighting: PeerSighting, changes: Changes): void {
    if (!isSighting(sighting)) {
      changes.refused.push({
        id: (sighting as PeerSighting | null | undefined)?.id,
        reason: 'a sighting needs an id, a display name, and a map for its metadata'
      })
      return
    }
    const { id } = sighting
    const known = this.#peers.get(id)
    const owner = known?.provider ?? this.#own.get(id)?.provider
    if (owner !== undefined && owner !== provider) {
      changes.refused.push({ id, reason: `the id belongs to a peer of ${owner}` })
    } else if (known !== undefined) {
      this.#update(known, sighting, changes)
    } else {
      this.#add(provider, sighting, changes)
    }
  }

  #add(provider: string, sighting: PeerSighting, changes: Changes): void {
    const own = this.#own.get(sighting.id)
    const whole =
      sighting.metadata === undefined && own?.sighting.metadata !== undefined ? { ...sighting, metadata: own.sighting.metadata } : sighting
    if (this.#claimsUs(whole.metadata)) {
      this.#remember(provider, whole)
      return
    }
    const count = this.#counts.get(provider) ?? 0
    if (count >= this.#limit) {
      changes.refused.push({ id: whole.id, reason: `${count} peers of ${provider} are listed, there is no room for more` })
      return
    }
    this.#own.delete(whole.id)
    const peer = this.#options.createPeer(provider, whole)
    this.#peers.set(peer.id, peer)
    this.#counts.set(provider, count + 1)
    this.#join(peer)
    changes.added.push(peer)
  }

  #update(peer: DiscoveredPeer, sighting: PeerSighting, changes: Changes): void {
    if (peer.rename(sighting.displayName)) {
      const device = this.#devices.get(deviceIdOf(peer))
      if (device !== undefined) this.#touch(device)
    }
    if (sighting.connectable !== undefined) peer.setConnectable(sighting.connectable)
    if (sighting.metadata !== undefined) this.#setMetadata(peer, sighting.metadata, changes)
  }

  #setMetadata(peer: DiscoveredPeer, metadata: Metadata, changes: Changes): void {
    if (this.#claimsUs(metadata)) {
      this.#remember(peer.provider, { id: peer.id, displayName: peer.displayName, connectable: peer.connectable, metadata })
      this.#remove(peer, changes)
      return
    }
    const before = deviceIdOf(peer)
    if (!peer.setMetadata(metadata)) return
    changes.metadataChanged.push(peer)
    if (deviceIdOf(peer) === before) return
    this.#quit(peer, before)
    this.#join(peer)
  }

  #remove(peer: DiscoveredPeer, changes: Changes): void {
    this.#peers.delete(peer.id)
    this.#counts.set(peer.provider, (this.#counts.get(peer.provider) ?? 1) - 1)
    this.#quit(peer, deviceIdOf(peer))
    peer.leave()
    changes.removed.push(peer)
  }

  /** Beyond the limit sightings of ourselves are forgotten: anybody can make any number of them. */
  #remember(provider: string, sighting: PeerSighting): void {
    if (this.#own.size < this.#limit || this.#own.has(sighting.id)) this.#own.set(sighting.id, { provider, sighting })
  }

  get #limit(): number {
    return this.#options.maxPeersPerProvider ?? MAX_PEERS_PER_PROVIDER
  }

  #join(peer: DiscoveredPeer): void {
    const id = deviceIdOf(peer)
    const entry = this.#devices.get(id) ?? this.#touched.get(id)?.entry ?? new DeviceEntry(id)
    this.#touch(entry)
    entry.add(peer)
    this.#devices.set(id, entry)
  }

  #quit(peer: DiscoveredPeer, id: string): void {
    const entry = this.#devices.get(id)
    if (entry === undefined) return
    this.#touch(entry)
    entry.delete(peer)
    if (entry.empty) this.#devices.delete(id)
  }

  #touch(entry: DeviceEntry): void {
    if (!this.#touched.has(entry.id)) this.#touched.set(entry.id, { entry, listedBefore: this.#devices.has(entry.id) })
  }

  #claimsUs(metadata: Metadata | undefined): boolean {
    return metadata !== undefined && deviceIdFromMetadata(metadata) === this.#options.localPeerId
  }
}

function isSighting(value: PeerSighting | null | undefined): value is PeerSighting {
  return (
    typeof value?.id === 'string' &&
    value.id !== '' &&
    typeof value.displayName === 'string' &&
    (value.metadata === undefined || isMetadata(value.metadata))
  )
}

function isMetadata(value: unknown): value is Metadata {
  return value instanceof Map && [...value.values()].every((each) => each instanceof Uint8Array)
}

function deviceIdOf(peer: Peer): string {
  return peer.claimedDeviceId ?? `sighting:${peer.id}`
}
