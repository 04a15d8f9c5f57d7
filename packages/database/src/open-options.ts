import type { Clock, Logger } from '@kithmesh/core/plugin'
import type { DocumentVersioning } from './contracts/replication.ts'
import type { StorageEngineFactory } from './contracts/storage.ts'
import type { Database } from './database.ts'
import type { Durability } from './sqlite/schema.ts'

export interface OpenOptions {
  /** @default sqliteEngine(), or memoryEngine() for `:memory:` */
  readonly engine?: StorageEngineFactory
  /** @default true */
  readonly createIfMissing?: boolean
  /** For the default engine. `full`: what was written survives power loss. @default 'full' */
  readonly durability?: Durability
  /**
   * How revisions are named and ordered: `rev-trees` as in Couchbase Lite up to 3.x, `version-vectors` as in 4.x; peers sync only with their
   * like. A database with trees that is opened with `version-vectors` is upgraded, for good; its documents keep their revision ids until they
   * are edited. No other process may have it open as trees meanwhile. @default what the database has; `rev-trees` for a new one
   */
  readonly versioning?: DocumentVersioning
  /** Largest body, bytes. @default 20 MiB */
  readonly maxDocumentSize?: number
  /** Notice changes that other processes make in the same directory while somebody listens. @default true */
  readonly watch?: boolean
  /** For `:memory:`: who the database is to its peers, so that a simulation is the same each time. @default new ones */
  readonly identities?: DatabaseIdentities
  /**
   * For `:memory:`: goes on as another one whose engine this is, with its identities, versioning and blobs, as after a crash. Nobody may use the other one any more,
   * which need not be closed.
   */
  readonly resume?: Database
  readonly logger?: Logger
  readonly clock?: Clock
}

/** @throws TypeError for options that make no sense. */
export function checkOpenOptions({ versioning, maxDocumentSize = 1 }: OpenOptions): void {
  if (!['rev-trees', 'version-vectors', undefined].includes(versioning)) throw new TypeError('There is no such versioning')
  if (!(maxDocumentSize > 0)) throw new TypeError(`maxDocumentSize must be a positive number, not ${maxDocumentSize}`)
}

/** Names that a database keeps for life: one that peers may know, and one that they may not. */
export interface DatabaseIdentities {
  readonly privateUuid: string
  readonly publicUuid: string
}

export interface CompactOptions {
  /** Blobs that no document mentions are removed when unused for this long. @default one hour */
  readonly blobsUnusedForMs?: number
}
