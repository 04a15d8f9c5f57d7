import { isKithmeshError, silentLogger, systemClock } from '@kithmesh/core'
import type { Clock, KithmeshError, Logger, MessageSocket } from '@kithmesh/core'
import type { Database } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import type { ReplicationStore } from '@kithmesh/database/replication'
import { blipOver, eventLoop, tickEvery } from './connection.ts'
import type { WireOptions } from './connection.ts'
import type { ReplicatorEndpoint } from './endpoint.ts'
import { replicatorErrors } from './error-catalogue.ts'
import { Observers } from './observers.ts'
import { pendingDocumentIds } from './pending.ts'
import { formatCollectionPath } from './protocol/collection-path.ts'
import type { CollectionName } from './protocol/collection-path.ts'
import type { ConflictResolver } from './protocol/conflict-resolver.ts'
import { newStatistics } from './protocol/context.ts'
import type { DocumentEvent, DocumentFilter, SessionCollection, SessionStatistics } from './protocol/context.ts'
import { ReplicationSession } from './protocol/session.ts'
import { treeVersioning } from './protocol/versioning.ts'
import { classifyFailure, nextAttemptIn } from './retry-policy.ts'

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

/** `offline`: waiting for the next try; `idle`: continuous and caught up both ways. */
export type ReplicatorActivity = 'stopped' | 'connecting' | 'busy' | 'idle' | 'offline'

export interface ReplicatorStatus {
  readonly activity: ReplicatorActivity
  readonly progress: {
    /** Documents that went over, both ways, since `start`. */
    readonly documents: number
    /** Documents known to be concerned; grows while changes are found. */
    readonly total: number
    /** Of documents and blobs. */
    readonly bytes: number
  }
  /** Why it stopped, or why the last try failed. */
  readonly error: KithmeshError | undefined
}

interface Outcome { readonly error: KithmeshError | undefined, readonly began: boolean }

/**
 * Keeps collections of a database in step with a remote one (discovery-api.md §F). Configured once; may be started again after it stopped.
 * Errors of single documents never stop it; see {@link Replicator.onDocuments}.
 */
export class Replicator {
  readonly #options: ReplicatorOptions
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #store: ReplicationStore
  readonly #targets: readonly SessionCollection[]
  readonly #statusObservers: Observers<ReplicatorStatus>
  readonly #documentObservers: Observers<readonly DocumentEvent[]>
  readonly #push: boolean
  readonly #pull: boolean
  #activity: ReplicatorActivity = 'stopped'
  #error: KithmeshError | undefined
  #session: ReplicationSession | undefined
  #before: SessionStatistics = newStatistics()
  #stopping: AbortController | undefined
  #wake: AbortController | undefined
  #running: Promise<void> | undefined

  /**
   * @throws ERR_REPL_COLLECTION_UNKNOWN when a collection is not in the database; TypeError for settings that make no sense.
   */
  constructor (options: ReplicatorOptions) {
    this.#options = options
    this.#logger = (options.logger ?? silentLogger).child('replicator')
    this.#clock = options.clock ?? systemClock
    const { type = 'push-and-pull', heartbeatMs = 300_000, maxAttempts = 1, collections = [{}] } = options
    if (!['push-and-pull', 'push', 'pull'].includes(type)) throw new TypeError(`type must be push-and-pull, push or pull, not ${type}`)
    if (!(heartbeatMs > 0)) throw new TypeError('heartbeatMs must be positive')
    if (!(maxAttempts >= 1)) throw new TypeError('maxAttempts must be at least 1')
    if (collections.length === 0) throw new TypeError('At least one collection is needed')
    this.#push = type !== 'pull'
    this.#pull = type !== 'push'
    this.#store = replicationStore(options.database)
    this.#targets = collections.map((config) => this.#target(config))
    const paths = this.#targets.map(({ collection }) => formatCollectionPath(collection))
    if (new Set(paths).size !== paths.length) throw new TypeError('A collection is given twice')
    this.#statusObservers = new Observers(this.#logger)
    this.#documentObservers = new Observers(this.#logger)
  }

  get status (): ReplicatorStatus {
    const { documentsPushed, documentsPulled, documentsAnnounced, bytesPushed, bytesPulled, blobBytesPushed, blobBytesPulled } = this.statistics
    const documents = documentsPushed + documentsPulled
    return {
      activity: this.#activity,
      progress: { documents, total: Math.max(documents, documentsAnnounced), bytes: bytesPushed + bytesPulled + blobBytesPushed + blobBytesPulled },
      error: this.#error
    }
  }

  /** Counted since `start`, over all connections. */
  get statistics (): Readonly<SessionStatistics> {
    return this.#session === undefined ? this.#before : add(this.#before, this.#session.statistics)
  }

  /** Calls back at every change of activity or error. The returned function ends it. */
  onStatus (listener: (status: ReplicatorStatus) => void): () => void { return this.#statusObservers.add(listener) }

  /** Calls back with the documents that ended, well or not, in batches. The returned function ends it. */
  onDocuments (listener: (events: readonly DocumentEvent[]) => void): () => void { return this.#documentObservers.add(listener) }

  /** Starts in the background; does nothing when it runs. `reset` forgets what earlier runs did, so that everything is compared anew. */
  start (options: { readonly reset?: boolean } = {}): void {
    if (this.#running !== undefined) return
    this.#error = undefined
    this.#before = newStatistics()
    this.#stopping = new AbortController()
    this.#running = this.#run(this.#stopping.signal, options.reset === true).finally(() => {
      this.#running = undefined
      this.#set('stopped')
    })
  }

  /** Saves the checkpoint, disconnects and resolves when all is at rest. Idempotent. */
  async stop (): Promise<void> {
    this.#stopping?.abort()
    this.#session?.stop()
    await this.#running
  }

  /** Resolves when it has stopped by itself or by `stop`, with the final status. */
  async finished (): Promise<ReplicatorStatus> {
    await this.#running
    return this.status
  }

  /** While offline: tries again at once, for instance because the network is back. */
  retryNow (): void { this.#wake?.abort() }

  /**
   * Documents with changes that the remote does not have yet, as far as is known.
   * @throws ERR_REPL_PULL_ONLY, ERR_REPL_COLLECTION_UNKNOWN
   */
  pendingDocumentIds (collection: CollectionName = { scope: '_default', name: '_default' }): string[] {
    return [...this.#pending(collection, undefined)]
  }

  /** Whether {@link pendingDocumentIds} has this one. */
  isDocumentPending (id: string, collection: CollectionName = { scope: '_default', name: '_default' }): boolean {
    return this.#pending(collection, id).has(id)
  }

  async [Symbol.asyncDispose] (): Promise<void> { await this.stop() }

  #target (config: ReplicatorCollection): SessionCollection {
    const { scope, name } = config.collection ?? { scope: config.scope ?? '_default', name: config.name ?? '_default' }
    const collection = this.#store.collection(scope, name)
    if (collection === undefined) throw replicatorErrors.create('ERR_REPL_COLLECTION_UNKNOWN', `There is no collection ${scope}.${name} in the database`)
    const { conflictResolver, pushFilter, pullFilter, documentIds } = config
    return { collection, conflictResolver, pushFilter, pullFilter, documentIds }
  }

  #pending (name: CollectionName, only: string | undefined): Set<string> {
    if (!this.#push) throw replicatorErrors.create('ERR_REPL_PULL_ONLY', 'A replicator that only pulls has no pending documents')
    const index = this.#targets.findIndex(({ collection }) => collection.scope === name.scope && collection.name === name.name)
    const target = this.#targets[index]
    if (target === undefined) throw replicatorErrors.create('ERR_REPL_COLLECTION_UNKNOWN', `Collection ${name.scope}.${name.name} is not part of this replication`)
    const live = this.#session?.closed === false ? this.#session.collections[index]?.pushProgress : undefined
    return pendingDocumentIds({ store: this.#store, target, live, remoteUid: this.#options.endpoint.uid, pull: this.#pull, only })
  }

  async #run (stopping: AbortSignal, reset: boolean): Promise<void> {
    const { continuous = false, maxAttempts = continuous ? Infinity : 10, maxAttemptWaitMs = 300_000 } = this.#options
    let failures = 0
    let resetOnce = reset
    while (!stopping.aborted) {
      this.#set('connecting')
      const { error, began } = await this.#connectOnce(stopping, resetOnce)
      if (began) { failures = 0; resetOnce = false }
      if (stopping.aborted || error === undefined) return
      this.#error = error
      const wait = nextAttemptIn(++failures, classifyFailure(error), { continuous, maxAttempts, maxAttemptWaitMs })
      if (wait === undefined) { this.#logger.warn('The replication ended with an error', { error }); return }
      this.#logger.info('The connection failed and is tried again', { error, waitMs: wait })
      this.#set('offline')
      this.#wake = new AbortController()
      await this.#clock.sleep(wait, { signal: AbortSignal.any([stopping, this.#wake.signal]) }).catch(() => {})
      this.#wake = undefined
    }
  }

  async #connectOnce (stopping: AbortSignal, reset: boolean): Promise<Outcome> {
    const { endpoint, heartbeatMs = 300_000, connectTimeoutMs = 15_000 } = this.#options
    let socket: MessageSocket
    try {
      const deadline = this.#clock.timeout(connectTimeoutMs, `Connecting to ${endpoint.description}`)
      socket = await endpoint.open({ signal: AbortSignal.any([stopping, deadline]), protocols: treeVersioning.protocols, heartbeatMs })
    } catch (cause) {
      return { error: connectError(endpoint.description, cause), began: false }
    }
    if (stopping.aborted) { socket.close(1000); return { error: undefined, began: false } }
    if (socket.protocol !== '' && !treeVersioning.protocols.includes(socket.protocol)) {
      socket.close(1002)
      return { error: replicatorErrors.create('ERR_REPL_PROTOCOL', `The peer chose the protocol "${socket.protocol}", which was not offered`), began: false }
    }
    return await this.#converse(socket, reset)
  }

  #converse (socket: MessageSocket, resetCheckpoint: boolean): Promise<Outcome> {
    return new Promise((resolve) => {
      const observers = this.#documentObservers
      const tell = (events: readonly DocumentEvent[]): void => { observers.emit(events) }
      const session = new ReplicationSession({
        role: 'active',
        blip: blipOver(socket, this.#options, this.#logger),
        store: this.#store,
        versioning: treeVersioning,
        scheduler: eventLoop,
        logger: this.#logger,
        now: () => this.#clock.now(),
        push: this.#push,
        pull: this.#pull,
        continuous: this.#options.continuous ?? false,
        collections: this.#targets,
        remoteUid: this.#options.endpoint.uid,
        resetCheckpoint,
        skipOldTombstones: this.#options.skipOldTombstones,
        ...(this.#options.maxDocumentBytes !== undefined && { limits: { maxDocumentBytes: this.#options.maxDocumentBytes } }),
        ...(this.#options.checkpointIntervalMs !== undefined && { checkpointIntervalMs: this.#options.checkpointIntervalMs }),
        events: {
          activity: (activity) => { this.#error = undefined; this.#set(activity) },
          get documents () { return observers.size > 0 ? tell : undefined },
          ended: (error) => {
            endTicks()
            this.#before = add(this.#before, session.statistics)
            this.#session = undefined
            resolve({ error, began: session.began })
          }
        }
      })
      this.#session = session
      const endTicks = tickEvery(this.#clock, session)
      this.#set('busy')
      session.start()
    })
  }

  #set (activity: ReplicatorActivity): void {
    this.#activity = activity
    this.#statusObservers.emit(this.status)
  }
}

function add (a: SessionStatistics, b: SessionStatistics): SessionStatistics {
  const sum = newStatistics()
  for (const key of Object.keys(sum) as (keyof SessionStatistics)[]) sum[key] = a[key] + b[key]
  return sum
}

/** Names what went wrong while connecting, by the HTTP status where there is one. */
function connectError (where: string, cause: unknown): KithmeshError {
  const status = isKithmeshError(cause, 'ERR_WS_HTTP') ? Number(cause.details['status']) : undefined
  const details = status === undefined ? {} : { details: { status } }
  if (status === 401 || status === 403) return replicatorErrors.create('ERR_REPL_UNAUTHORIZED', `${where} refused the credentials (${status})`, { cause, ...details })
  if (status === 404) return replicatorErrors.create('ERR_REPL_NOT_FOUND', `${where} has no such database`, { cause, ...details })
  if (isKithmeshError(cause, 'ERR_WS_PROTOCOL')) return replicatorErrors.create('ERR_REPL_PROTOCOL', `${where} speaks no version of the protocol that we do`, { cause })
  if (status !== undefined) return replicatorErrors.create('ERR_REPL_HTTP', `${where} answered with HTTP ${status}`, { cause, ...details })
  return replicatorErrors.create('ERR_REPL_CONNECT', `Cannot connect to ${where}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
}
