import type { Clock, Logger } from '@kithmesh/core'
import type { TransportAddress } from '@kithmesh/stun'
import type { RelayLimits } from '../limits.ts'
import type { PeerPolicy } from './peer-policy.ts'
import type { Permissions } from './permissions.ts'
import type { RelayNames } from './relay-names.ts'
import type { Traffic } from './traffic.ts'

/** The way between the server and one client: a 5-tuple (RFC 8656 §2.2). */
export interface ClientPath {
  readonly transport: 'udp' | 'tcp'
  /** Where the client sees this server. */
  readonly local: TransportAddress
  /** Where the server sees the client. */
  readonly remote: TransportAddress
  /** The same for the same 5-tuple only. */
  readonly key: string
  /** Sends one frame; false when it was dropped, because too much waits to be sent already. */
  send(frame: Buffer): boolean
}

/** A relayed address as others know it. Whoever has it closes it. */
export interface RelayPort {
  readonly kind: 'udp' | 'tcp'
  readonly relayed: TransportAddress
  close(): void
}

/** What every allocation of a server has. */
export interface RelayCommon {
  readonly username: string
  readonly path: ClientPath
  readonly permissions: Permissions
  readonly policy: PeerPolicy
  readonly traffic: Traffic
  readonly names: RelayNames
  readonly limits: RelayLimits
  readonly clock: Clock
  readonly logger: Logger
}
