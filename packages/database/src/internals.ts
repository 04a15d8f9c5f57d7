import type { Clock, Logger } from '@kithmesh/core/plugin'
import type { BaseBodies } from './base-bodies.ts'
import type { ManagedBlobStore } from './blobs/blob-store.ts'
import type { ChangeHub } from './change-hub.ts'
import type { StorageEngine } from './contracts/storage.ts'
import type { RevisionModel } from './revision-model.ts'

/** What the parts of an open database share; not public. */
export interface DatabaseInternals {
  readonly engine: StorageEngine
  readonly model: RevisionModel
  readonly blobs: ManagedBlobStore
  readonly hub: ChangeHub
  readonly bases: BaseBodies
  readonly privateUuid: string
  readonly publicUuid: string
  readonly maxDocumentSize: number
  readonly clock: Clock
  readonly logger: Logger
  /** Told of errors of the store itself. */
  failed(error: unknown): void
  /** Aborts when the database closes. */
  readonly closing: AbortSignal
}

/** Key under which a `Database` hands its internals to the other entry points of this package. */
export const internals: unique symbol = Symbol('kithmesh database internals')

/** The storage space that lists a collection's documents in conflict. */
export function conflictSpace(collection: number): string {
  return `conflicts/${collection}`
}

/** Numbers of remotes by their stable id. */
export const REMOTES_SPACE = 'remotes'
