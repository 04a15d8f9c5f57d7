import type { ByteSocket, Clock, Metadata, NetworkView, PeerSighting, ProviderContext, ProviderMode, ProviderStatus } from '@kithmesh/core'
import { realClock } from '../real-clock.ts'
import { recordingLogger } from '../recording-logger.ts'
import type { RecordingLogger } from '../recording-logger.ts'
import { fixedNetworkView } from '../unknown-network.ts'

/** One call a provider made, in order. */
export type ProviderEvent =
  | { readonly type: 'status'; readonly mode: ProviderMode; readonly status: ProviderStatus }
  | { readonly type: 'found'; readonly sightings: readonly PeerSighting[] }
  | { readonly type: 'lost'; readonly ids: readonly string[] }
  | { readonly type: 'metadata'; readonly id: string; readonly metadata: Metadata }
  | { readonly type: 'incoming'; readonly id: string | undefined; readonly socket: ByteSocket; readonly accepted: boolean }

/** A sighting with everything reported about it so far. */
export interface KnownPeer {
  readonly id: string
  displayName: string
  metadata: Metadata
}

export interface RecordingContext extends ProviderContext {
  readonly logger: RecordingLogger
  readonly events: readonly ProviderEvent[]
  /** Peers present now, by id, as the manager above a provider would hold them. */
  readonly peers: ReadonlyMap<string, KnownPeer>
  /** The last status reported for a mode; `offline` before the first. */
  status(mode: ProviderMode): ProviderStatus['state']
  /** Names of all peers ever reported. */
  readonly namesSeen: ReadonlySet<string>
  /** Answers `incomingConnection`; refuses everything at first. */
  acceptIncoming: (id: string | undefined, socket: ByteSocket) => boolean
}

/** A context that writes down every call. */
export function recordingContext(options: {
  readonly peerGroupId: string
  readonly localPeerId: string
  readonly clock?: Clock
  /** @default one of which nothing is known */
  readonly network?: NetworkView
}): RecordingContext {
  const events: ProviderEvent[] = []
  const peers = new Map<string, KnownPeer>()
  const namesSeen = new Set<string>()
  const states: Record<ProviderMode, ProviderStatus['state']> = { browse: 'offline', publish: 'offline' }
  return {
    peerGroupId: options.peerGroupId,
    localPeerId: options.localPeerId,
    logger: recordingLogger('provider'),
    clock: options.clock ?? realClock,
    network: options.network ?? fixedNetworkView(),
    events,
    peers,
    namesSeen,
    status: (mode) => states[mode],
    acceptIncoming: () => false,
    statusChanged(mode, status) {
      events.push({ type: 'status', mode, status })
      states[mode] = status.state
      if (mode === 'browse' && status.state !== 'online') peers.clear()
    },
    peersFound(sightings) {
      events.push({ type: 'found', sightings: [...sightings] })
      for (const sighting of sightings) {
        namesSeen.add(sighting.displayName)
        peers.set(sighting.id, {
          id: sighting.id,
          displayName: sighting.displayName,
          metadata: sighting.metadata ?? peers.get(sighting.id)?.metadata ?? new Map()
        })
      }
    },
    peersLost(ids) {
      events.push({ type: 'lost', ids: [...ids] })
      for (const id of ids) peers.delete(id)
    },
    metadataChanged(id, metadata) {
      events.push({ type: 'metadata', id, metadata })
      const peer = peers.get(id)
      if (peer !== undefined) peer.metadata = metadata
    },
    incomingConnection(id, socket) {
      const accepted = this.acceptIncoming(id, socket)
      events.push({ type: 'incoming', id, socket, accepted })
      return accepted
    }
  }
}
