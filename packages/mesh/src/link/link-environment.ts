import type { ChannelAttachment, PeerChannel } from '@kithmesh/channel'
import type { Clock, Logger } from '@kithmesh/core/plugin'
import type { Database } from '@kithmesh/database'
import type { DocumentEvent, SharedRequests } from '@kithmesh/replicator'
import type { MeshListeners } from '../engine/mesh-listeners.ts'
import type { LinkedCollection, MeshConflictResolver } from '../engine/collections.ts'
import type { ConnectorDialOptions, MeshConnection, Scheduler } from '../engine/contracts.ts'
import type { LinkDiagnostics } from '../engine/link-diagnostics.ts'
import type { Totals } from '../engine/totals.ts'
import type { DeviceLink } from './device-link.ts'
import type { Ending } from './ending.ts'
import type { ClosingConnections } from './closing-connections.ts'
import type { Directions } from './replication-settings.ts'

/** What a link needs from its mesh. */
export interface LinkEnvironment {
  readonly localPeerId: string
  readonly database: Database
  readonly collections: readonly LinkedCollection[]
  readonly conflictResolver: MeshConflictResolver | undefined
  /** What this side does with documents. */
  readonly directions: Directions
  readonly deltas: boolean
  /** So that a document which several neighbours announce comes over one link. */
  readonly sharedRequests: SharedRequests
  readonly totals: Totals
  readonly listeners: MeshListeners
  readonly diagnostics: LinkDiagnostics
  readonly logger: Logger
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** What every device is told of this one. */
  readonly hello: { readonly displayName: string; readonly push: boolean; readonly pull: boolean }
  dial(deviceId: string, displayName: string, options: ConnectorDialOptions): Promise<MeshConnection>
  /** The one channel with a peer, made when it is first asked for. */
  channel(peerId: string): PeerChannel
  /** Hears the control messages that come over a connection. */
  listen(peerId: string, attachment: ChannelAttachment): void
  /** Connections of all links that are being ended. */
  readonly closing: ClosingConnections
  /** How the link goes, for whoever decides about it. */
  readonly events: LinkEvents
}

export interface LinkEvents {
  /** A dial came to nothing. */
  dialFailed(link: DeviceLink, ending: Ending): void
  /** A connection was dialled; it is to be kept, unless the link is told to end it. */
  opened(connection: MeshConnection): void
  /** There is a connection over which both have greeted each other, where there was none. */
  connected(link: DeviceLink, connection: MeshConnection): void
  /** The last such connection ended. */
  disconnected(link: DeviceLink, ending: Ending): void
  /** Documents that moved, or failed. */
  documents(peerId: string, events: readonly DocumentEvent[]): void
  /** The device did not say hello in time, and is served all the same. */
  stalled(peerId: string, error: Error): void
  /** Both sides trust each other, at first or again. */
  trusted(link: DeviceLink, connection: MeshConnection): void
  /** One side does not trust the other. `before`: they did on this connection. */
  distrusted(link: DeviceLink, error: Error, before: boolean): void
}
