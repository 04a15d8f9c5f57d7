import { silentLogger, systemClock } from '@kithmesh/core'
import type { Clock, KithmeshError, Logger } from '@kithmesh/core'
import type { Database } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import type { BufferBudget } from '@kithmesh/blip'
import { blipOver, checkWireOptions, closeUnused, eventLoop, tickEvery } from '../connection.ts'
import type { ReplicationConnection, WireOptions } from '../connection.ts'
import { Observers } from '../observers.ts'
import { formatCollectionPath } from '../protocol/collection-path.ts'
import type { CollectionName } from '../protocol/collection-path.ts'
import type { DocumentEvent, Scheduler, SessionStatistics } from '../protocol/context.ts'
import type { DocumentFilter } from '../protocol/document-filter.ts'
import { LEGACY_PROTOCOL } from '../protocol/legacy-protocol.ts'
import { ReplicationSession } from '../protocol/session.ts'
import type { SharedRequests } from '../protocol/shared-requests.ts'
import { protocolError } from '../sub-protocols.ts'
import { acceptedProtocols } from './offered-protocols.ts'

/** What a passive side offers. */
export interface ServeReplicationOptions extends WireOptions {
  readonly database: Database
  /** Collections that peers may replicate, with filters if need be. @default all of the database, as they are when asked for */
  readonly collections?: readonly ServedCollection[]
  /** Whom filters are told the peer is: a device id or a user name. @default the description of the connection */
  readonly peerId?: string
  /**
   * Give blobs only to peers that are being sent a document with them, and have peers that push a document prove that they have its blobs
   * when those are here already (`proveAttachment`). Without it, whoever knows a blob's digest may have it, which is as well among
   * peers who may see all. @default false
   */
  readonly protectBlobs?: boolean
  /** Peers may pull from us. @default true */
  readonly allowPush?: boolean
  /** Peers may push to us. @default true */
  readonly allowPull?: boolean
  /** Memory bound shared with other connections; see {@link BufferBudget}. @default none but the connection's own */
  readonly bufferBudget?: BufferBudget
  /**
   * Changed documents are sent as deltas, both ways, where the peer takes them. Saves bytes with large documents that change a little, and costs
   * their comparing. @default false
   */
  readonly deltas?: boolean
  /** Among others over which the same documents come. @default none */
  readonly sharedRequests?: SharedRequests
  readonly logger?: Logger
  readonly clock?: Clock
  /** Where later turns come from; simulators bring their own. @default the event loop */
  readonly scheduler?: Scheduler
}

/** A collection that is offered, and what peers get of it and may change in it. */
export interface ServedCollection extends CollectionName {
  /** Documents it refuses do not go to the peer. */
  readonly pushFilter?: DocumentFilter
  /** Documents it refuses are refused to the peer, which is told 403. */
  readonly pullFilter?: DocumentFilter
}

export interface PassiveStatus {
  readonly activity: 'busy' | 'idle' | 'stopped'
  /** Why the connection ended, unless it ended in good order. */
  readonly error: KithmeshError | undefined
}

/** One incoming replication. */
export interface PassiveReplication {
  /** For people and logs. */
  readonly description: string
  readonly status: PassiveStatus
  readonly statistics: Readonly<SessionStatistics>
  /** The returned function ends it. */
  onStatus(listener: (status: PassiveStatus) => void): () => void
  onDocuments(listener: (events: readonly DocumentEvent[]) => void): () => void
  /**
   * Closes the connection, after what was already answered has been sent: 4001 tells the peer that it may come back, 1001 that we go away.
   * Resolves when it is closed. Idempotent.
   */
  stop(code?: 1000 | 1001 | 4001): Promise<void>
  /** Resolves when the connection has ended, however. */
  readonly ended: Promise<PassiveStatus>
}

/**
 * Answers one peer's replicator: the passive side for listeners, meshes and message endpoints. Whether the peer is welcome was decided before.
 *
 * @param connection An open message socket, which it takes over; or BLIP that is open already, over which other things may run beside it. It
 * uses its own profiles only, but closes the connection when it ends, and what the options say of the wire holds for sockets only. It may begin
 * after messages have come: those for it were answered `BLIP`/404, so tell the peer when it may begin.
 * @throws ERR_REPL_PROTOCOL, ERR_REPL_VERSIONING when the connection agreed on a protocol that is not the database's; it is closed then.
 * TypeError when a replication runs over this BLIP connection already, or for options that make no sense; the connection is left as it is then.
 */
export function serveReplication(connection: ReplicationConnection, options: ServeReplicationOptions): PassiveReplication {
  checkWireOptions(options)
  const logger = (options.logger ?? silentLogger).child('passive')
  const clock = options.clock ?? systemClock
  const store = replicationStore(options.database)
  const { protocol, description } = connection
  if (protocol !== '' && !acceptedProtocols(options.database, options).includes(protocol)) {
    closeUnused(connection, 1002, 'unsupported protocol')
    throw protocolError(store.versioning, `The peer speaks "${protocol}", which this database cannot`, [protocol])
  }
  const offered =
    options.collections === undefined ? undefined : new Map(options.collections.map((served) => [formatCollectionPath(served), served]))
  const statusObservers = new Observers<PassiveStatus>(logger)
  const documentObservers = new Observers<readonly DocumentEvent[]>(logger)
  const tell = (events: readonly DocumentEvent[]): void => {
    documentObservers.emit(events)
  }
  let status: PassiveStatus = { activity: 'busy', error: undefined }
  const set = (next: PassiveStatus): void => {
    status = next
    statusObservers.emit(next)
  }
  let finish: (status: PassiveStatus) => void
  const ended = new Promise<PassiveStatus>((resolve) => {
    finish = resolve
  })
  const { blip } = blipOver(connection, options, logger)
  const session = new ReplicationSession({
    role: 'passive',
    blip,
    store,
    scheduler: options.scheduler ?? eventLoop,
    logger,
    now: () => clock.now(),
    bufferBudget: options.bufferBudget,
    sharedRequests: options.sharedRequests,
    deltas: options.deltas ?? false,
    legacy: protocol === LEGACY_PROTOCOL,
    protectBlobs: options.protectBlobs,
    peerId: options.peerId ?? description,
    allowPush: options.allowPush ?? true,
    allowPull: options.allowPull ?? true,
    collection: (name) => {
      const served = offered?.get(formatCollectionPath(name))
      if (offered !== undefined && served === undefined) return undefined
      const collection = store.collection(name.scope, name.name)
      return collection === undefined ? undefined : { collection, pushFilter: served?.pushFilter, pullFilter: served?.pullFilter }
    },
    ...(options.maxDocumentBytes !== undefined && { limits: { maxDocumentBytes: options.maxDocumentBytes } }),
    events: {
      activity: (activity) => {
        set({ activity, error: undefined })
      },
      get documents() {
        return documentObservers.size > 0 ? tell : undefined
      },
      ended: (error) => {
        endTicks()
        if (error !== undefined) logger.info('A replication by a peer ended with an error', { peer: description, error })
        set({ activity: 'stopped', error })
        finish(status)
      }
    }
  })
  const endTicks = tickEvery(clock, session)
  return {
    description,
    get status() {
      return status
    },
    statistics: session.statistics,
    onStatus: (listener) => statusObservers.add(listener),
    onDocuments: (listener) => documentObservers.add(listener),
    async stop(code = 1000) {
      session.close(code)
      await ended
    },
    ended
  }
}
