import { isKithmeshError } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import { describeResult } from './connection-result.ts'

/** The other side broke a rule. */
export function protocolError(rule: string): Error {
  return bleErrors.create('ERR_BLE_PROTOCOL', `The other side broke the rules of L2CAP: ${rule}`, { details: { rule } })
}

/** The other side does not open a channel. @param why @default what the result means */
export function refusedError(psm: number, result: number, why: string = describeResult(result)): Error {
  return bleErrors.create('ERR_BLE_CHANNEL_REFUSED', `A channel to PSM ${psm} was refused: ${why}`, {
    cause: new Error(`result ${result} of an LE credit-based connection request`),
    details: { result, psm }
  })
}

/** The link is gone. What comes from the link's owner has a code already. */
export function lostError(error: Error): Error {
  return isKithmeshError(error) ? error : bleErrors.create('ERR_BLE_LINK_LOST', `The link was closed: ${error.message}`, { cause: error })
}

export function limitError(details: { readonly channels: number; readonly pendingOpens: number }): Error {
  return bleErrors.create('ERR_BLE_LIMIT', 'The link has as many channels, or as many that are being opened, as it may have', { details })
}

export function timeoutError(what: string): Error {
  return bleErrors.create('ERR_BLE_TIMEOUT', what)
}

/** What was written was not sent, or what was sent was cut. */
export function closedError(why: string): Error {
  return bleErrors.create('ERR_BLE_CHANNEL_CLOSED', `The channel was closed before everything had passed: ${why}`)
}
