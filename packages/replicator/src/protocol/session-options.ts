import type { KithmeshError, Logger, SocketCloseInfo } from '@kithmesh/core'
import type { ReplicationStore } from '@kithmesh/database/replication'
import type { BlipPeer, BufferBudget } from '@kithmesh/blip'
import type { CollectionName } from './collection-path.ts'
import type { DocumentEvent, Scheduler, SessionCollection } from './context.ts'
import type { SessionLimits } from './limits.ts'
import type { SharedRequests } from './shared-requests.ts'

export interface SessionEvents {
  /** Active side: the peer answered the first message, both know the collections; documents come next. Called once at most. */
  began?: (() => void) | undefined
  /** Changes between working and having nothing to do; `idle` of a one-shot session precedes its end. */
  activity?: ((activity: 'busy' | 'idle') => void) | undefined
  /** Documents that ended since the last call, at most once per turn of the event loop. */
  documents?: ((events: readonly DocumentEvent[]) => void) | undefined
  /**
   * Called once, when the connection is gone. Without `error` the session ended by itself or by `stop`;
   * `transient` says that another connection may do better.
   */
  ended: (error: KithmeshError | undefined, transient: boolean, close: SocketCloseInfo) => void
}

interface CommonOptions {
  readonly blip: BlipPeer
  readonly store: ReplicationStore
  readonly scheduler: Scheduler
  readonly logger: Logger
  /** Wall-clock milliseconds. */
  readonly now: () => number
  readonly events: SessionEvents
  /** The connection agreed on `CBMobile_2`. @default false */
  readonly legacy?: boolean | undefined
  readonly limits?: Partial<SessionLimits>
  /** Shared with other connections: what waits for blobs counts in it. */
  readonly bufferBudget?: BufferBudget | undefined
  /** Shared with the other sessions of the database. */
  readonly sharedRequests?: SharedRequests | undefined
  readonly checkpointIntervalMs?: number
  /** Changed documents may be sent as deltas, both ways, where the peer takes them. @default true on the active side, false on the passive one */
  readonly deltas?: boolean | undefined
}

export interface ActiveSessionOptions extends CommonOptions {
  readonly role: 'active'
  readonly push: boolean
  readonly pull: boolean
  readonly continuous: boolean
  readonly collections: readonly SessionCollection[]
  /** Stable name of the remote; checkpoints and remote ancestors hang on it. */
  readonly remoteUid: string
  /**
   * Leave out tombstones when pulling into an empty collection for the first time. Saves time with a server that keeps many; among peers
   * that also replicate with others, a deletion left out can let the document come back. @default false
   */
  readonly skipOldTombstones?: boolean | undefined
  /** Purge documents to which the peer takes access away. @default true */
  readonly autoPurge?: boolean | undefined
  /** A peer that does not know collections is spoken to as an older one. @default false */
  readonly legacyFallback?: boolean | undefined
  /** Forget what earlier sessions did. */
  readonly resetCheckpoint?: boolean
}

export interface PassiveSessionOptions extends CommonOptions {
  readonly role: 'passive'
  /** The peer may pull from us. */
  readonly allowPush: boolean
  /** The peer may push to us. */
  readonly allowPull: boolean
  /** Give blobs only along with their documents, and have peers prove that they have those they name. @default false */
  readonly protectBlobs?: boolean | undefined
  /** Whom the session is with, for filters. @default '' */
  readonly peerId?: string | undefined
  /** The collection of a path, or undefined when there is none (for this peer). */
  readonly collection: (name: CollectionName) => SessionCollection | undefined
}
