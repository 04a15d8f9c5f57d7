import { Replicator } from '@kithmesh/replicator'
import type { Database } from '@kithmesh/database'
import type { ConflictResolver, ReplicatorActivity, ReplicatorStatus } from '@kithmesh/replicator'
import type { ConnectionState, ConnectionView, ValidationMode } from '../contracts.ts'
import { viewOf } from './errors.ts'
import { type NeighbourEndpointOptions, neighbourEndpoint } from './neighbour-endpoint.ts'

export interface ConnectionOptions {
  readonly database: Database
  readonly endpoint: Omit<NeighbourEndpointOptions, 'onLocated'>
  readonly resolver: ConflictResolver
  readonly onChange: () => void
}

const states: Readonly<Record<ReplicatorActivity, ConnectionState>> = {
  connecting: 'connecting',
  busy: 'busy',
  idle: 'connected',
  offline: 'offline',
  stopped: 'disconnected'
}

/** The active peer: one continuous replication with one listener, both ways. */
export class Connection {
  readonly mode: ValidationMode
  readonly user: string
  readonly #replicator: Replicator
  readonly #onChange: () => void
  #url: string | undefined
  #status: ReplicatorStatus

  /** @throws ERR_INVENTORY_CERTIFICATE for a pin that is none. */
  constructor({ database, endpoint, resolver, onChange }: ConnectionOptions) {
    this.mode = endpoint.mode
    this.user = endpoint.credentials.username
    this.#onChange = onChange
    this.#replicator = new Replicator({
      database,
      endpoint: neighbourEndpoint({
        ...endpoint,
        onLocated: (url) => {
          this.#url = url
        }
      }),
      collections: [{ conflictResolver: resolver }],
      continuous: true,
      maxAttemptWaitMs: 30_000
    })
    this.#status = this.#replicator.status
    this.#replicator.onStatus((status) => {
      this.#status = status
      this.#onChange()
    })
    this.#replicator.onDocuments(() => {
      this.#onChange()
    })
  }

  get view(): ConnectionView {
    const { activity, progress, error } = this.#status
    return {
      state: states[activity],
      mode: this.mode,
      user: this.user,
      ...(this.#url !== undefined && { url: this.#url }),
      documents: progress.documents,
      total: progress.total,
      bytes: progress.bytes,
      pending: this.#replicator.pendingDocumentIds().length,
      ...(error !== undefined && { error: viewOf(error) })
    }
  }

  start(): void {
    this.#replicator.start()
  }

  /** Disconnects until {@link resume}; what is edited meanwhile waits. */
  suspend(): void {
    this.#replicator.suspend()
  }

  resume(): void {
    this.#replicator.resume()
  }

  retryNow(): void {
    this.#replicator.retryNow()
  }

  async stop(): Promise<void> {
    await this.#replicator.stop()
  }
}
