import type { Role } from './connection-ids.ts'

/**
 * `opening`: nothing is known to arrive at the other side yet. `lingering`: everything is over, but the other side may not know.
 * `resetting`: the stream is cut, and the other side is being told.
 */
export type AssociationState = 'opening' | 'open' | 'lingering' | 'resetting' | 'closed'

export interface AssociationOptions {
  readonly secret: Uint8Array
  readonly role: Role
  readonly maxDatagram: number
  readonly windowBytes: number
  readonly openTimeoutMs: number
  readonly keepAliveMs: number
  readonly idleTimeoutMs: number
}
