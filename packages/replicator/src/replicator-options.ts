import type { Clock, Logger } from '@kithmesh/core'
import type { Database } from '@kithmesh/database'
import type { WireOptions } from './connection.ts'
import type { ReplicatorEndpoint } from './endpoint.ts'
import type { CollectionName } from './protocol/collection-path.ts'
import type { ConflictResolver } from './protocol/conflict-resolver.ts'
import type { DocumentFilter } from './protocol/context.ts'

export type ReplicatorType = 'push-and-pull' | 'push' | 'pull'

/** One collection of a replication; without names it is the default collection. */
export interface ReplicatorCollection {
  readonly name?: string
  /** @default '_default' */
  readonly scope?: string
  /** Instead of names, e.g. a `Collection` of the database. */
  readonly collection?: CollectionName
  /** @default the rule of Couchbase Lite 3.x, see `defaultConflictResolver` */
  readonly conflictResolver?: ConflictResolver
  /** Documents it refuses stay here, silently. */
  readonly pushFilter?: DocumentFilter
  /** Documents it refuses are reported as document errors. */
  readonly pullFilter?: DocumentFilter
  /** Only these. */
  readonly documentIds?: readonly string[]
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
  /** @default 300,000 */
  readonly heartbeatMs?: number
  /** Tries in a row, the first included. @default 10, continuous unlimited */
  readonly maxAttempts?: number
  /** @default 300,000 */
  readonly maxAttemptWaitMs?: number
  /** @default 5,000 */
  readonly checkpointIntervalMs?: number
  /** Until a connection is open. @default 15,000 */
  readonly connectTimeoutMs?: number
  readonly logger?: Logger
  readonly clock?: Clock
}
