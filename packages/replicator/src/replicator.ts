import { silentLogger, systemClock } from '@kithmesh/core'
import type { Clock, KithmeshError, Logger } from '@kithmesh/core'
import { replicationStore } from '@kithmesh/database/replication'
import type { ReplicationStore } from '@kithmesh/database/replication'
import { replicatorErrors } from './errors.ts'
import { Observers } from './observers.ts'
import { pendingDocumentIds } from './pending.ts'
import { formatCollectionPath } from './protocol/collection-path.ts'
import type { CollectionName } from './protocol/collection-path.ts'
import { newStatistics } from './protocol/context.ts'
import type { DocumentEvent, SessionCollection, SessionStatistics } from './protocol/context.ts'
import { ReplicationRun } from './replication-run.ts'
import { checkReplicatorOptions } from './replicator-options.ts'
import type { ReplicatorCollection, ReplicatorOptions } from './replicator-options.ts'
import { statusOf } from './replicator-status.ts'
import type { ReplicatorActivity, ReplicatorStatus } from './replicator-status.ts'
import { StatusTeller } from './status-teller.ts'

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
  readonly #statusTeller: StatusTeller
  readonly #documentObservers: Observers<readonly DocumentEvent[]>
  readonly #push: boolean
  readonly #pull: boolean
  #activity: ReplicatorActivity = 'stopped'
  #error: KithmeshError | undefined
  /** The present run, or the last one. */
  #run: ReplicationRun | undefined
  #running: Promise<void> | undefined
  /** `start` was called while stopping. */
  #restart: { readonly reset: boolean } | undefined
  #suspended = false

  /**
   * @throws ERR_REPL_COLLECTION_UNKNOWN when a collection is not in the database; TypeError for settings that make no sense.
   */
  constructor(options: ReplicatorOptions) {
    this.#options = options
    this.#logger = (options.logger ?? silentLogger).child('replicator')
    this.#clock = options.clock ?? systemClock
    checkReplicatorOptions(options)
    const { type = 'push-and-pull', collections = [{}] } = options
    this.#push = type !== 'pull'
    this.#pull = type !== 'push'
    this.#store = replicationStore(options.database)
    this.#targets = collections.map((config) => this.#target(config))
    const paths = this.#targets.map(({ collection }) => formatCollectionPath(collection))
    if (new Set(paths).size !== paths.length) throw new TypeError('A collection is given twice')
    this.#statusObservers = new Observers(this.#logger)
    this.#statusTeller = new StatusTeller(this.#statusObservers)
    this.#documentObservers = new Observers(this.#logger)
  }

  get status(): ReplicatorStatus {
    return statusOf(this.#activity, this.#error, this.statistics)
  }

  /** Whether {@link Replicator.suspend} is in force. */
  get suspended(): boolean {
    return this.#suspended
  }

  /** Counted since `start`, over all connections. */
  get statistics(): Readonly<SessionStatistics> {
    return this.#run?.statistics ?? newStatistics()
  }

  /** What Sync Gateway calls the newest connection in its log (`X-Correlation-Id`); other peers do not say. */
  get correlationId(): string | undefined {
    return this.#run?.correlationId
  }

  /**
   * Calls back at every change of activity or error, in order and each once, and at most four times a second when only the progress changed.
   * `stopped` comes last, with the final figures. The returned function ends it.
   */
  onStatus(listener: (status: ReplicatorStatus) => void): () => void {
    return this.#statusObservers.add(listener)
  }

  /** Calls back with the documents that ended, well or not, in batches. The returned function ends it. */
  onDocuments(listener: (events: readonly DocumentEvent[]) => void): () => void {
    return this.#documentObservers.add(listener)
  }

  /**
   * Starts in the background; does nothing when it runs. While it is being stopped it starts anew afterwards. `reset` forgets what earlier runs
   * did, so that everything is compared anew. While suspended it waits for {@link Replicator.resume}.
   */
  start(options: { readonly reset?: boolean } = {}): void {
    const reset = options.reset === true
    if (this.#running !== undefined) {
      if (this.#run?.stopping === true) this.#restart = { reset }
      return
    }
    this.#error = undefined
    const run = this.#newRun()
    this.#run = run
    // Set before the first status is told, because its listener may call `stop` or `start`.
    let done = (): void => {}
    this.#running = new Promise((resolve) => {
      done = resolve
    })
    void run
      .attempt(reset)
      .catch((error: unknown) => {
        this.#error = replicatorErrors.create('ERR_REPL_STORE', 'The replication broke off', { cause: error })
      })
      .finally(() => {
        this.#running = undefined
        this.#set('stopped')
        const restart = this.#restart
        this.#restart = undefined
        if (restart !== undefined) this.start(restart)
        done()
      })
  }

  /**
   * Saves the checkpoint, disconnects and resolves when all is at rest, within fifteen seconds also when the other side does not answer any more.
   * A connection that is being opened is given up. Idempotent.
   */
  async stop(): Promise<void> {
    this.#restart = undefined
    this.#run?.stop()
    await this.#running
  }

  /** Resolves when it has stopped by itself or by `stop`, with the final status. */
  async finished(): Promise<ReplicatorStatus> {
    while (this.#running !== undefined) await this.#running
    return this.status
  }

  /**
   * For the time when the program is not to use the network: saves the checkpoint, disconnects, and stays `offline`, without timers, until
   * {@link Replicator.resume}. May be called before `start`; `stop` works meanwhile. Idempotent.
   */
  suspend(): void {
    this.#suspended = true
    this.#run?.suspend()
  }

  /** Ends {@link Replicator.suspend}: connects at once if started. Idempotent. */
  resume(): void {
    this.#suspended = false
    this.#run?.resume()
  }

  /** While offline: tries again at once, for instance because the network is back. Does nothing while suspended. */
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
    const { conflictResolver, onConflict, pushFilter, pullFilter, documentIds, channels } = config
    if (channels !== undefined && (channels.length === 0 || channels.some((channel) => channel === '' || channel.includes(','))))
      throw new TypeError('channels needs at least one name, and names have no comma')
    return { collection, conflictResolver, onConflict, pushFilter, pullFilter, documentIds, channels }
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

  #newRun(): ReplicationRun {
    return new ReplicationRun({
      options: this.#options,
      push: this.#push,
      pull: this.#pull,
      store: this.#store,
      targets: this.#targets,
      logger: this.#logger,
      clock: this.#clock,
      documents: this.#documentObservers,
      suspended: this.#suspended,
      tellActivity: (activity) => {
        this.#set(activity)
      },
      tellError: (error) => {
        this.#error = error
      },
      tellProgress: () => {
        if (this.#statusObservers.size > 0) this.#statusTeller.tell(this.status)
      }
    })
  }

  #set(activity: ReplicatorActivity): void {
    this.#activity = activity
    this.#statusTeller.tell(this.status)
  }
}
