import type { OpenBlipConnection } from '@kithmesh/blip'
import type { KithmeshError } from '@kithmesh/core'
import {
  type DocumentEvent,
  Replicator,
  type ReplicatorType,
  type SessionStatistics,
  serveReplication,
  socketEndpoint
} from '@kithmesh/replicator'
import type { MeshConnection } from '../engine/contracts.ts'
import { servedCollection } from '../engine/collections.ts'
import type { LinkEnvironment } from './link-environment.ts'
import { replicatorCollection } from './replication-settings.ts'

/** What runs over one connection: our replicator where we dialled, the service of the device's where it did. */
export interface Replication {
  readonly statistics: Readonly<SessionStatistics>
  /**
   * Saves the checkpoint where that is ours to do, and closes its lane; resolves when it has ended.
   * @param code 4001 tells a device that dialled that it may come back.
   */
  stop(code: 1000 | 4001): Promise<void>
}

export interface ReplicationEvents {
  activity(activity: 'busy' | 'idle'): void
  documents(events: readonly DocumentEvent[]): void
  /** Called once; without an error it ended in order. */
  ended(error: KithmeshError | undefined): void
}

/**
 * Begins to replicate over a connection's replication lane. `events` may be called before this returns.
 * @param type What both sides want; of our side.
 * @throws what the replicator says of settings and protocols; the lane is closed then.
 */
export function replicate(
  lane: OpenBlipConnection,
  connection: MeshConnection,
  type: ReplicatorType,
  environment: LinkEnvironment,
  events: ReplicationEvents
): Replication {
  if (connection.direction === 'incoming') return served(lane, connection, environment, events)
  return dialled(lane, connection, type, environment, events)
}

function dialled(
  lane: OpenBlipConnection,
  connection: MeshConnection,
  type: ReplicatorType,
  environment: LinkEnvironment,
  events: ReplicationEvents
): Replication {
  const { database, collections, conflictResolver, deltas, sharedRequests, diagnostics, logger, clock, scheduler } = environment
  const replicator = new Replicator({
    database,
    endpoint: socketEndpoint({ uid: connection.peerId, description: connection.displayName, open: async () => lane }),
    type,
    continuous: true,
    deltas,
    // Devices of a mesh are equals: none gives access, so none can take it away.
    autoPurge: false,
    // Whether there is another connection is the link's to decide.
    maxAttempts: 1,
    collections: collections.map((collection) => replicatorCollection(collection, conflictResolver, connection.peerId, diagnostics)),
    logger,
    clock,
    scheduler,
    sharedRequests
  })
  let ended = false
  replicator.onDocuments((documents) => {
    events.documents(documents)
  })
  replicator.onStatus(({ activity, error }) => {
    if (activity === 'idle' || activity === 'busy') events.activity(activity)
    if (activity !== 'stopped' || ended) return
    ended = true
    events.ended(error)
  })
  replicator.start()
  return {
    get statistics() {
      return replicator.statistics
    },
    stop: () => replicator.stop()
  }
}

function served(
  lane: OpenBlipConnection,
  connection: MeshConnection,
  environment: LinkEnvironment,
  events: ReplicationEvents
): Replication {
  const { database, collections, directions, deltas, sharedRequests, logger, clock, scheduler } = environment
  const service = serveReplication(lane, {
    database,
    collections: collections.map(servedCollection),
    allowPush: directions.push,
    allowPull: directions.pull,
    deltas,
    logger,
    clock,
    scheduler,
    sharedRequests,
    peerId: connection.peerId
  })
  service.onDocuments((documents) => {
    events.documents(documents)
  })
  service.onStatus(({ activity, error }) => {
    if (activity === 'stopped') events.ended(error)
    else events.activity(activity)
  })
  return {
    get statistics() {
      return service.statistics
    },
    stop: (code) => service.stop(code)
  }
}
