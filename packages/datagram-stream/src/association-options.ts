import { checkInteger, checkRange } from '@kithmesh/core/plugin'
import type { Role } from './connection-ids.ts'
import type { DatagramStreamOptions } from './datagram-stream.ts'

const MINIMUM_SECRET_BYTES = 16
const DAY_MS = 86_400_000

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

/** Fills in the defaults. @throws TypeError for a short secret or limits that make no sense */
export function associationOptions(options: DatagramStreamOptions): AssociationOptions {
  const { secret, role, maxDatagramBytes: maxDatagram = 1_200, windowBytes = 2 ** 21 } = options
  if (secret.length < MINIMUM_SECRET_BYTES) throw new TypeError(`secret must have at least ${MINIMUM_SECRET_BYTES} bytes`)
  checkInteger('maxDatagramBytes', maxDatagram, 256, 65_507)
  checkInteger('windowBytes', windowBytes, 4 * maxDatagram, 2 ** 30)
  const time = (name: 'openTimeoutMs' | 'keepAliveMs' | 'idleTimeoutMs', fallback: number): number =>
    checkRange(name, options[name] ?? fallback, 1, DAY_MS)
  const times = {
    openTimeoutMs: time('openTimeoutMs', 10_000),
    keepAliveMs: time('keepAliveMs', 10_000),
    idleTimeoutMs: time('idleTimeoutMs', 30_000)
  }
  if (times.idleTimeoutMs < 2 * times.keepAliveMs) throw new TypeError('idleTimeoutMs must be at least twice keepAliveMs')
  return { secret, role, maxDatagram, windowBytes, ...times }
}
