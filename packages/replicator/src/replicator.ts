import { silentLogger, systemClock } from '@kithmesh/core'
import type { Clock, KithmeshError, Logger } from '@kithmesh/core'
import { replicationStore } from '@kithmesh/database/replication'
import type { ReplicationStore } from '@kithmesh/database/replication'
import { replicatorErrors } from './error-catalogue.ts'
import { Observers } from './observers.ts'
import { pendingDocumentIds } from './pending.ts'
import { formatCollectionPath } from './protocol/collection-path.ts'
import type { CollectionName } from './protocol/collection-path.ts'
import { newStatistics } from './protocol/context.ts'
import type { DocumentEvent, SessionCollection, SessionStatistics } from './protocol/context.ts'
import { ReplicationRun } from './replication-run.ts'
import type { ReplicatorCollection, ReplicatorOptions } from './replicator-options.ts'

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
  /** The present run, or the last one. */
  #run: ReplicationRun | undefined
  #running: Promise<void> | undefined

  /**
   * @throws ERR_REPL_COLLECTION_UNKNOWN when a collection is not in the database; TypeError for settings that make no sense.
   */
  constructor(options: ReplicatorOptions) {
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

  get status(): ReplicatorStatus {
    const { documentsPushed, documentsPulled, documentsAnnounced, bytesPushed, bytesPulled, blobBytesPushed, blobBytesPulled } =
      this.statistics
    const documents = documentsPushed + documentsPulled
    return {
      activity: this.#activity,
      progress: {
        documents,
        total: Math.max(documents, documentsAnnounced),
        bytes: bytesPushed + bytesPulled + blobBytesPushed + blobBytesPulled
      },
      error: this.#error
    }
  }

  /** Counted since `start`, over all connections. */
  get statistics(): Readonly<SessionStatistics> {
    return this.#run?.statistics ?? newStatistics()
  }

  /** Calls back at every change of activity or error. The returned function ends it. */
  onStatus(listener: (status: ReplicatorStatus) => void): () => void {
    return this.#statusObservers.add(listener)
  }

  /** Calls back with the documents that ended, well or not, in batches. The returned function ends it. */
  onDocuments(listener: (events: readonly DocumentEvent[]) => void): () => void {
    return this.#documentObservers.add(listener)
  }

  /** Starts in the background; does nothing when it runs. `reset` forgets what earlier runs did, so that everything is compared anew. */
  start(options: { readonly reset?: boolean } = {}): void {
    if (this.#running !== undefined) return
    this.#error = undefined
    this.#run = new ReplicationRun({
      options: this.#options,
      push: this.#push,
      pull: this.#pull,
      store: this.#store,
      targets: this.#targets,
      logger: this.#logger,
      clock: this.#clock,
      documents: this.#documentObservers,
      tellActivity: (activity) => {
        this.#set(activity)
      },
      tellError: (error) => {
        this.#error = error
      }
    })
    this.#running = this.#run.attempt(options.reset === true).finally(() => {
      this.#running = undefined
      this.#set('stopped')
    })
  }

  /** Saves the checkpoint, disconnects and resolves when all is at rest. Idempotent. */
  async stop(): Promise<void> {
    this.#run?.stop()
    await this.#running
  }

  /** Resolves when it has stopped by itself or by `stop`, with the final status. */
  async finished(): Promise<ReplicatorStatus> {
    await this.#running
    return this.status
  }

  /** While offline: tries again at once, for instance because the network is back. */
  retryNow(): void {
    this.#run?.retryNow()
  }

  /**
   * Documents with changes that the remote does not have yet, as far as is known.
   * @throws ERR_REPL_PULL_ONLY, ERR_REPL_COLLECTION_UNKNOWN
   */
  pendingDocumentIds(collection: CollectionName = { scope: '_default', name: '_default' }): string[] {
    return [...this.#pending(collection, undefined)]
  }

  /** Whether {@link pendingDocumentIds} has this one. */
  isDocumentPending(id: string, collection: CollectionName = { scope: '_default', name: '_default' }): boolean {
    return this.#pending(collection, id).has(id)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #target(config: ReplicatorCollection): SessionCollection {
    const { scope, name } = config.collection ?? { scope: config.scope ?? '_default', name: config.name ?? '_default' }
    const collection = this.#store.collection(scope, name)
    if (collection === undefined)
      throw replicatorErrors.create('ERR_REPL_COLLECTION_UNKNOWN', `There is no collection ${scope}.${name} in the database`)
    const { conflictResolver, pushFilter, pullFilter, documentIds } = config
    return { collection, conflictResolver, pushFilter, pullFilter, documentIds }
  }

  #pending(name: CollectionName, only: string | undefined): Set<string> {
    if (!this.#push) throw replicatorErrors.create('ERR_REPL_PULL_ONLY', 'A replicator that only pulls has no pending documents')
    const index = this.#targets.findIndex(({ collection }) => collection.scope === name.scope && collection.name === name.name)
    const target = this.#targets[index]
    if (target === undefined)
      throw replicatorErrors.create('ERR_REPL_COLLECTION_UNKNOWN', `Collection ${name.scope}.${name.name} is not part of this replication`)
    const live = this.#run?.pushProgress(index)
    return pendingDocumentIds({ store: this.#store, target, live, remoteUid: this.#options.endpoint.uid, pull: this.#pull, only })
  }

  #set(activity: ReplicatorActivity): void {
    this.#activity = activity
    this.#statusObservers.emit(this.status)
  }
}
