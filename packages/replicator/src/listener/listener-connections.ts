import type { PeerCertificate } from '@kithmesh/identity'
import type { Logger } from '@kithmesh/core'
import { Observers } from '../observers.ts'
import type { PassiveReplication } from './serve-replication.ts'

export interface ListenerStatus {
  readonly connectionCount: number
  /** Those that are replicating right now. */
  readonly activeConnectionCount: number
}

/** Who replicates with a listener. */
export interface ListenerClient {
  /** Name of the database in the URL. */
  readonly database: string
  /** `host:port` of the other side. */
  readonly remote: string
  /** Who logged in by password. */
  readonly user: string | undefined
  /** Who was let in by certificate. */
  readonly certificate: PeerCertificate | undefined
}

/** The replications that a listener serves, and their count. */
export class ListenerConnections {
  readonly #connections = new Set<PassiveReplication>()
  readonly #statusObservers: Observers<ListenerStatus>
  readonly #connectionObservers: Observers<readonly [PassiveReplication, ListenerClient]>
  #active = 0
  #told: ListenerStatus = { connectionCount: 0, activeConnectionCount: 0 }

  constructor(logger: Logger) {
    this.#statusObservers = new Observers(logger)
    this.#connectionObservers = new Observers(logger)
  }

  get status(): ListenerStatus {
    return { connectionCount: this.#connections.size, activeConnectionCount: this.#active }
  }

  onStatus(listener: (status: ListenerStatus) => void): () => void {
    return this.#statusObservers.add(listener)
  }

  onConnection(listener: (replication: PassiveReplication, client: ListenerClient) => void): () => void {
    return this.#connectionObservers.add(([replication, client]) => {
      listener(replication, client)
    })
  }

  add(replication: PassiveReplication, client: ListenerClient): void {
    this.#connections.add(replication)
    let busy = false
    const count = (now: boolean): void => {
      if (now !== busy) this.#active += now ? 1 : -1
      busy = now
      this.#tell()
    }
    replication.onStatus(({ activity }) => {
      if (activity === 'stopped') this.#connections.delete(replication)
      count(activity === 'busy')
    })
    count(replication.status.activity === 'busy')
    this.#connectionObservers.emit([replication, client])
  }

  /** Resolves when all are closed. */
  async stop(code: 1001 | 4001): Promise<void> {
    await Promise.all(
      [...this.#connections].map(async (connection) => {
        await connection.stop(code)
      })
    )
  }

  /** Only changes are told. */
  #tell(): void {
    const { connectionCount, activeConnectionCount } = this.status
    if (connectionCount === this.#told.connectionCount && activeConnectionCount === this.#told.activeConnectionCount) return
    this.#told = { connectionCount, activeConnectionCount }
    this.#statusObservers.emit(this.#told)
  }
}
