import { errorCode } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'

/** Status codes of connection attempts that matter here (Core Specification, vol. 1, part F, §1.3). */
export const hciStatus = {
  connectionLimitExceeded: 0x09,
  connectionAlreadyExists: 0x0b,
  commandDisallowed: 0x0c,
  limitedResources: 0x0d,
  connectionFailedToBeEstablished: 0x3e
} as const

/** How often an attempt is repeated after failures that pass. */
export const MAX_TRANSIENT_FAILURES = 6

const FIRST_BACKOFF_MS = 30
const MAX_BACKOFF_MS = 1000

/** The status in an error of the library: both families write it at the end, as in `Connection Failed to be Established (0x3e)`. */
function statusOf(error: unknown): number | undefined {
  const text = error instanceof Error ? error.message : typeof error === 'string' ? error : ''
  const digits = /\(0x([0-9a-f]{1,2})\)$/.exec(text)?.[1]
  return digits === undefined ? undefined : Number.parseInt(digits, 16)
}

/** Whether the same attempt may well succeed in a moment: the radio missed the instant, or the controller was still busy. */
export function isTransient(status: number | undefined): boolean {
  return status === hciStatus.connectionFailedToBeEstablished || status === hciStatus.commandDisallowed
}

/**
 * How long to wait after failures: twice as long each time, and less by chance, so that two that got in each other's way do not do so again.
 * @param random between 0 and 1
 */
export function backoffMs(failures: number, random: number): number {
  return Math.min(FIRST_BACKOFF_MS * 2 ** Math.max(0, failures - 1), MAX_BACKOFF_MS) * (0.5 + random / 2)
}

/** The error of an attempt that the controller ended. */
export function connectError(id: string, error: unknown): Error {
  const status = statusOf(error)
  const said = error instanceof Error ? error.message : String(error)
  return bleErrors.create('ERR_BLE_CONNECT', `Cannot connect to ${id}: ${said}`, { cause: error, details: { id, status } })
}

/** The error of a link that was gone before anybody could use it. */
export function lostAtOnce(id: string): Error {
  return bleErrors.create('ERR_BLE_LINK_LOST', `The connection to ${id} was lost at once`, {
    details: { id, reason: hciStatus.connectionFailedToBeEstablished }
  })
}

/** Controllers report an attempt that failed at the last moment as a link that was lost with the same reason. */
export function brokeAtOnce(error: unknown): boolean {
  const reason = (error as { details?: { reason?: unknown } } | undefined)?.details?.reason
  return errorCode(error) === 'ERR_BLE_LINK_LOST' && reason === hciStatus.connectionFailedToBeEstablished
}
