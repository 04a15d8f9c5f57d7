import type { Clock } from '@kithmesh/core/plugin'
import { Replicator, type ReplicatorEndpoint, type ReplicatorType } from '@kithmesh/replicator'
import type { LinkFacts } from '../contracts.ts'
import type { Totals } from '../engine/totals.ts'
import type { LinkEnvironment } from '../link/link-environment.ts'
import { replicatorCollection } from '../link/replication-settings.ts'

/** How long a member is left alone whose replication ended with what no ordinary try changes: no such database, wrong password. */
const refusedRetryMs = 60_000
const maxAttemptWaitMs = 30_000

/** Something at a fixed place that takes part: a Sync Gateway, a listener of Couchbase Lite or Kithmesh, whatever an endpoint leads to. */
export interface MeshMember {
  /** Where it is and how to get in, e.g. `urlEndpoint('wss://gateway.example.com/db', { basicAuth: … })` of `@kithmesh/replicator`. */
  readonly endpoint: ReplicatorEndpoint
  /** @default the endpoint's description */
  readonly displayName?: string
  /** Which way documents go, seen from here. @default the mesh's */
  readonly type?: ReplicatorType
  /** Purge documents to which a gateway took our access away. The others of the mesh keep theirs. @default false */
  readonly autoPurge?: boolean
}

export type MemberEnvironment = Pick<
  LinkEnvironment,
  | 'database'
  | 'collections'
  | 'conflictResolver'
  | 'deltas'
  | 'sharedRequests'
  | 'totals'
  | 'listeners'
  | 'diagnostics'
  | 'logger'
  | 'clock'
  | 'scheduler'
> & { readonly type: ReplicatorType }

/** The link with a member that is not discovered but given: dialled for as long as the mesh runs. */
export class MemberLink {
  readonly #member: MeshMember
  readonly #replicator: Replicator
  readonly #clock: Clock
  readonly #totals: Totals
  #cancelRetry: (() => void) | undefined
  #ended = false

  /** @throws TypeError for settings of the replicator that make no sense. */
  constructor(member: MeshMember, environment: MemberEnvironment) {
    const { database, collections, conflictResolver, deltas, sharedRequests, totals, listeners, diagnostics, logger, clock, scheduler } =
      environment
    const { endpoint, type = environment.type, autoPurge = false } = member
    this.#member = member
    this.#clock = clock
    this.#totals = totals
    this.#replicator = new Replicator({
      database,
      endpoint,
      type,
      continuous: true,
      deltas,
      autoPurge,
      maxAttemptWaitMs,
      collections: collections.map((collection) => replicatorCollection(collection, conflictResolver, endpoint.uid, diagnostics)),
      sharedRequests,
      logger,
      clock,
      scheduler
    })
    this.#replicator.onDocuments((events) => {
      listeners.documents(endpoint.uid, events)
    })
    this.#replicator.onStatus(({ activity }) => {
      if (activity === 'stopped') {
        totals.end(this.#replicator)
        this.#retry()
      }
      listeners.changed()
    })
  }

  /** From now on it is dialled. */
  start(): void {
    this.#totals.begin(this.#member.endpoint.uid, this.#replicator)
    this.#replicator.start()
  }

  get snapshot(): LinkFacts {
    const { endpoint, displayName = endpoint.description } = this.#member
    const { activity, error } = this.#replicator.status
    const up = activity === 'busy' || activity === 'idle'
    return {
      deviceId: endpoint.uid,
      displayName,
      state: activity === 'stopped' ? 'offline' : activity,
      direction: up ? 'outgoing' : undefined,
      route: up ? endpoint.description : undefined,
      quality: up ? 'direct' : undefined,
      error: up ? undefined : error
    }
  }

  /** Our own network changed. */
  networkChanged(): void {
    this.#replicator.retryNow()
  }

  /** Ends it in order, for good. */
  async end(): Promise<void> {
    this.#ended = true
    this.#cancelRetry?.()
    await this.#replicator.stop()
  }

  #retry(): void {
    if (this.#ended) return
    this.#cancelRetry = this.#clock.after(refusedRetryMs, () => {
      if (!this.#ended) this.start()
    })
  }
}
