import type { KithmeshError, Logger } from '@kithmesh/core'
import type { ReplicationCollection, ReplicationStore } from '@kithmesh/database/replication'
import type { BlipPeer, Properties, Reply } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import type { CollectionConflictEvent, ConflictResolver } from './conflict-resolver.ts'
import type { DocumentFilter } from './document-filter.ts'
import type { SessionLimits } from './limits.ts'
import type { SharedRequests } from './shared-requests.ts'
import type { Versioning } from './versioning.ts'
import type { WaitingBytes } from './waiting-bytes.ts'

/** One collection of a replication and what the application wants of it. */
export interface SessionCollection {
  readonly collection: ReplicationCollection
  readonly pushFilter?: DocumentFilter | undefined
  readonly pullFilter?: DocumentFilter | undefined
  /** Only these documents, both ways. */
  readonly documentIds?: readonly string[] | undefined
  /** Only documents in these channels of Sync Gateway are pulled. */
  readonly channels?: readonly string[] | undefined
  readonly conflictResolver?: ConflictResolver | undefined
  /** Told how conflicts end. */
  readonly onConflict?: ((event: CollectionConflictEvent) => void) | undefined
}

/** One document's way through a replication, successful or not. */
export interface DocumentEvent {
  readonly direction: 'push' | 'pull'
  readonly collection: { readonly scope: string; readonly name: string }
  readonly id: string
  readonly revId: string
  readonly deleted: boolean
  /** The peer took our access to the document away; without `error` it was purged here, unless `autoPurge` is off. */
  readonly accessRemoved?: boolean
  readonly error?: KithmeshError
  /** The error will be tried again by itself. */
  readonly transient?: boolean
}

/** Counted since the session began. */
export interface SessionStatistics {
  documentsPushed: number
  documentsPulled: number
  /** Of document bodies. */
  bytesPushed: number
  bytesPulled: number
  blobsPushed: number
  blobsPulled: number
  blobBytesPushed: number
  blobBytesPulled: number
  /** Documents seen in change lists in either direction, to tell progress by. */
  documentsAnnounced: number
  conflictsResolved: number
}

export const newStatistics = (): SessionStatistics => ({
  documentsPushed: 0,
  documentsPulled: 0,
  bytesPushed: 0,
  bytesPulled: 0,
  blobsPushed: 0,
  blobsPulled: 0,
  blobBytesPushed: 0,
  blobBytesPulled: 0,
  documentsAnnounced: 0,
  conflictsResolved: 0
})

/** Both together, as of two sessions. */
export function addStatistics(a: SessionStatistics, b: SessionStatistics): SessionStatistics {
  const sum = newStatistics()
  for (const key of Object.keys(sum) as (keyof SessionStatistics)[]) sum[key] = a[key] + b[key]
  return sum
}

/** Runs work in a later turn of the event loop; simulators bring their own. */
export interface Scheduler {
  soon(run: () => void): void
}

/** What the parts of a session share. */
export interface SessionContext {
  readonly active: boolean
  /** Whom the session is with, for filters. */
  readonly peerId: string
  readonly continuous: boolean
  /** The connection is one of `CBMobile_2`: no collections, and deletions as booleans. */
  readonly legacy: boolean
  /** Answering side: give blobs only along with their documents, and have peers prove that they have those they name. */
  readonly protectBlobs: boolean
  /** Purge documents to which the peer takes access away. */
  readonly autoPurge: boolean
  /** Ask for no tombstones when a collection is pulled for the first time. */
  readonly skipOldTombstones: boolean
  /** Announce and use deltas. */
  readonly deltas: boolean
  readonly blip: BlipPeer
  readonly store: ReplicationStore
  readonly versioning: Versioning
  readonly limits: SessionLimits
  readonly waiting: WaitingBytes
  readonly sharedRequests: SharedRequests | undefined
  readonly logger: Logger
  readonly scheduler: Scheduler
  readonly statistics: SessionStatistics
  /** Wall-clock milliseconds. */
  readonly now: () => number
  readonly closed: boolean
  /** Whether anybody listens to document events; they cost. */
  readonly wantsDocuments: boolean
  documentEnded(event: DocumentEvent): void
  /** Something happened that may have ended or begun work. */
  changed(): void
  /** The peer showed that it lives. */
  touch(): void
  /** The peer was told why it gets nothing; it is its turn to go, and that will have been why. */
  refuse(error: KithmeshError): void
  /** Ends the session with an error: 4001 when trying again may help, else 4002 (cbmobile.md §12). */
  fail(error: KithmeshError, transient: boolean): void
}

/** Reports the end of one document's way; `error` is undefined when it went well. */
export function documentEnded(
  context: SessionContext,
  direction: 'push' | 'pull',
  { collection }: SessionCollection,
  { id, revId, deleted, accessRemoved }: Pick<DocumentEvent, 'id' | 'revId' | 'deleted' | 'accessRemoved'>,
  error?: KithmeshError,
  transient?: boolean
): void {
  context.documentEnded({
    direction,
    collection: { scope: collection.scope, name: collection.name },
    id,
    revId,
    deleted,
    ...(accessRemoved === true && { accessRemoved }),
    ...(error !== undefined && { error }),
    ...(transient !== undefined && { transient })
  })
}

/** The `collection` property of every message after `getCollections`; nothing in legacy mode (cbmobile.md §2). */
export function withCollection(index: number | undefined, properties: Properties): Properties {
  return index === undefined ? properties : { collection: String(index), ...properties }
}

const TRANSIENT_STATUS: ReadonlySet<number> = new Set([408, 429, 502, 503, 504])

/** Whether an error reply invites another try (cbmobile.md §8 and §12). */
export function isTransientStatus(code: number): boolean {
  return TRANSIENT_STATUS.has(code)
}

/** The error for an answer that ended what was asked. */
export function remoteError(what: string, reply: Extract<Reply, { kind: 'error' }>): KithmeshError {
  // 5. The answer to a subscription, or to proposals, by a database that names revisions in the other way.
  const versioning = reply.domain === 'LiteCore' && reply.code === 501 && /versioning/i.test(reply.message)
  return replicatorErrors.create(
    versioning ? 'ERR_REPL_VERSIONING' : 'ERR_REPL_REMOTE',
    `The peer answered ${what} with ${reply.domain} ${reply.code}${reply.message === '' ? '' : `: ${reply.message.slice(0, 300)}`}`,
    {
      details: { domain: reply.domain, code: reply.code }
    }
  )
}

/** A view of bytes as a Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
