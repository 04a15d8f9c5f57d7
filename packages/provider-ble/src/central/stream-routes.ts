import type { Duplex } from 'node:stream'
import { type Clock, errorCode } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import type { AclLink } from '../hci/hci-host.ts'
import type { LinkUse } from './device-link.ts'
import { isDynamicPsm } from './gatt-values.ts'
import { Operation } from './operation.ts'

/** Results of a request for a channel after which the stream characteristic is tried (ble.md §4): nobody listens, or there is no room. */
const SPSM_NOT_SUPPORTED = 2
const NO_RESOURCES = 4

/** The ways in which a stream to a device can be had. */
export interface StreamRoutes {
  readonly clock: Clock
  /** For a channel to open. */
  readonly channelMs: number
  /** Whether this side has L2CAP channels at all. */
  readonly l2cap: boolean
  /** Does something on a link of the host, whoever made it. */
  onAclLink(run: (acl: AclLink, use: LinkUse | undefined) => Promise<Duplex>): Promise<Duplex>
  /** Through the stream characteristic; undefined when the device has none. */
  tunnel(): Promise<Duplex | undefined>
}

/**
 * Opens a stream the best way there is (ble.md §4).
 * @throws what the ways throw; ERR_BLE_CHANNEL_REFUSED, ERR_BLE_NO_STREAM
 */
export async function openStream(id: string, psm: number, routes: StreamRoutes, operation: Operation): Promise<Duplex> {
  let refusal: unknown
  if (isDynamicPsm(psm) && routes.l2cap) {
    operation.phase('connecting')
    try {
      return await routes.onAclLink(async (acl, use) => {
        try {
          return await openChannel(id, psm, acl, use, routes, operation)
        } catch (error) {
          if (mayTunnel(error)) refusal = error
          throw error
        }
      })
    } catch (error) {
      operation.signal.throwIfAborted()
      if (error !== refusal) throw error
    }
  }
  let stream: Duplex | undefined
  try {
    stream = await routes.tunnel()
  } catch (error) {
    operation.signal.throwIfAborted()
    throw refusal ?? error
  }
  if (stream !== undefined) return stream
  throw refusal ?? bleErrors.create('ERR_BLE_NO_STREAM', `${id} offers no stream that can be opened from here`, { details: { id, psm } })
}

async function openChannel(
  id: string,
  psm: number,
  acl: AclLink,
  use: LinkUse | undefined,
  { clock, channelMs }: StreamRoutes,
  operation: Operation
): Promise<Duplex> {
  operation.phase('opening a channel')
  const opening = new Operation(clock, id, channelMs, operation.signal, operation.signal)
  opening.phase('opening a channel')
  try {
    const channel = await acl.openChannel(psm, { signal: opening.signal })
    if (use !== undefined) holdWhileOpen(use.link.use(), channel)
    return channel
  } finally {
    opening.end()
  }
}

/** Keeps a link for as long as a stream on it lives. */
export function holdWhileOpen(use: LinkUse, stream: Duplex): void {
  stream.once('close', () => {
    use.release()
  })
  if (stream.closed) use.release()
}

function mayTunnel(error: unknown): boolean {
  switch (errorCode(error)) {
    case 'ERR_BLE_CHANNEL_REFUSED': {
      const result = (error as { details?: { result?: unknown } }).details?.result
      return result === SPSM_NOT_SUPPORTED || result === NO_RESOURCES
    }
    case 'ERR_BLE_TIMEOUT':
    case 'ERR_BLE_UNSUPPORTED':
      return true
    default:
      return false
  }
}
