import type { Clock, Logger } from '@kithmesh/core'
import { checkPositive } from '@kithmesh/core/plugin'
import type { Database } from '@kithmesh/database'
import { checkWireOptions } from './connection.ts'
import type { WireOptions } from './connection.ts'
import type { ReplicatorEndpoint } from './endpoint.ts'
import type { CollectionName } from './protocol/collection-path.ts'
import type { CollectionConflictEvent, ConflictResolver } from './protocol/conflict-resolver.ts'
import type { Scheduler } from './protocol/context.ts'
import type { DocumentFilter } from './protocol/document-filter.ts'
import type { SharedRequests } from './protocol/shared-requests.ts'

export type ReplicatorType = 'push-and-pull' | 'push' | 'pull'

/** One collection of a replication; without names it is the default collection. */
export interface ReplicatorCollection {
  readonly name?: string
  /** @default '_default' */
  readonly scope?: string
  /** Instead of names, e.g. a `Collection` of the database. */
  readonly collection?: CollectionName
  /** @default the rule of Couchbase Lite for the database's versioning, see `defaultConflictResolver` */
  readonly conflictResolver?: ConflictResolver
  /** Told how each conflict of the collection ended that this replicator had to decide. What it throws is logged. */
  readonly onConflict?: (event: CollectionConflictEvent) => void
  /** Documents it refuses stay here, silently; they count as pushed. */
  readonly pushFilter?: DocumentFilter
  /** Documents it refuses are reported as document errors; the peer is told 403. It is asked too before a document is purged. */
  readonly pullFilter?: DocumentFilter
  /** Only these, both ways. Sync Gateway refuses them in a continuous pull. */
  readonly documentIds?: readonly string[]
  /** Pull only documents in these channels of Sync Gateway. Other peers know no channels and refuse. @default all one may see */
  readonly channels?: readonly string[]
}

export interface ReplicatorOptions extends WireOptions {
  readonly database: Database
  readonly endpoint: ReplicatorEndpoint
  /** @default the default collection */
  readonly collections?: readonly ReplicatorCollection[]
  /** @default 'push-and-pull' */
  readonly type?: ReplicatorType
  /** Stay connected after catching up, and reconnect. @default false */
  readonly continuous?: boolean
  /**
   * Leave out tombstones when pulling into an empty collection for the first time. Saves time with a server that keeps many; among
   * peers that also replicate with others, a deletion left out can let the document come back. @default false
   */
  readonly skipOldTombstones?: boolean
  /**
   * Changed documents are sent as deltas, both ways, where the peer takes them. Saves bytes with large documents that change a little, and costs
   * their comparing. @default true
   */
  readonly deltas?: boolean
  /**
   * Purge documents to which Sync Gateway took our access away, subject to the pull filter. Those with changes that it does not have
   * stay until it has them, see ERR_REPL_DOC_KEPT. Whatever peer is pulled from is believed: turn this off for peers that are no gateways
   * and that you would not let purge documents. The passive side never purges. @default true
   */
  readonly autoPurge?: boolean
  /**
   * Speak with peers that know no collections too, if they know nothing better: Couchbase Lite 2.x to 3.0 and Sync Gateway 2.x
   * (`CBMobile_2`). Only the default collection can be replicated with those. @default false
   */
  readonly legacy?: boolean
  /** Silence, in milliseconds, after which a WebSocket is probed; a peer that does not answer within 20 s more counts as gone. @default 300,000 */
  readonly heartbeatMs?: number
  /** Tries in a row, the first included. @default 10, continuous unlimited */
  readonly maxAttempts?: number
  /** Longest pause between tries, which grows from 2 s by doubling. @default 300,000 */
  readonly maxAttemptWaitMs?: number
  /** How often progress is saved, besides when both sides first have everything, and at the end. @default 5,000 */
  readonly checkpointIntervalMs?: number
  /** Until a connection is open. @default 15,000 */
  readonly connectTimeoutMs?: number
  /** Among others over which the same documents come. @default none */
  readonly sharedRequests?: SharedRequests
  readonly logger?: Logger
  readonly clock?: Clock
  /** Where later turns come from; simulators bring their own. @default the event loop */
  readonly scheduler?: Scheduler
}

/** @throws TypeError for settings that make no sense. */
export function checkReplicatorOptions(options: ReplicatorOptions): void {
  const { type = 'push-and-pull', maxAttempts = 1, collections } = options
  if (!['push-and-pull', 'push', 'pull'].includes(type)) throw new TypeError(`type must be push-and-pull, push or pull, not ${type}`)
  if (!(maxAttempts >= 1)) throw new TypeError('maxAttempts must be at least 1; 1 means no second try')
  checkPositive(options, 'heartbeatMs', 'maxAttemptWaitMs', 'checkpointIntervalMs', 'connectTimeoutMs')
  checkWireOptions(options)
  if (collections?.length === 0) throw new TypeError('At least one collection is needed')
}
