import type { Clock, Logger } from '@kithmesh/core/plugin'
import type { Database } from '@kithmesh/database'
import type { ConflictResolver } from '@kithmesh/replicator'
import type { Announcer } from './announcer.ts'
import type { CollectionPath } from './collection-paths.ts'
import type { DeviceLink } from './device-link.ts'
import type { DialOptions, OutgoingConnection } from './outgoing.ts'
import type { Totals } from './totals.ts'

/** What a link needs from its mesh. */
export interface LinkEnvironment {
  readonly localPeerId: string
  readonly database: Database
  readonly collections: readonly CollectionPath[]
  readonly conflictResolver: ConflictResolver | undefined
  readonly deltas: boolean
  readonly totals: Totals
  readonly announcer: Announcer
  readonly logger: Logger
  readonly clock: Clock
  dial(deviceId: string, displayName: string, options: DialOptions): Promise<OutgoingConnection>
  /** Whether an outgoing connection of this link to that peer may stay, where others lead to the same peer. Ends those that must yield. */
  claim(link: DeviceLink, peerId: string): boolean
  /** Whether any link has a connection to that peer. */
  reaches(peerId: string): boolean
  /** Nothing is left of the link and its device is not listed. */
  forget(link: DeviceLink): void
}
