import { type Clock, waitFor } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import type { LoadedNoble, PeripheralLike } from '../library/noble-like.ts'
import { connectError } from './connect-status.ts'

/** How long the controller may take to end an attempt that was given up, and how often that is looked at. */
const CANCEL_MS = 1000
const LOOK_MS = 10

export interface AttemptOptions {
  readonly loaded: LoadedNoble
  readonly clock: Clock
  /** The deadline, which the library has none of. */
  readonly ms: number
  /** After how long without a sign of the other side the link counts as lost. The library's default is 420 ms (ble.md §6.8). */
  readonly supervisionMs: number
  readonly signal: AbortSignal
}

/**
 * One attempt to connect, which is really over when this settles: the next one finds the controller and the library free.
 * @throws ERR_BLE_CONNECT with `details.status` when the controller gave a reason, ERR_BLE_TIMEOUT, the signal's reason
 */
export async function attempt(peripheral: PeripheralLike, { loaded, clock, ms, supervisionMs, signal }: AttemptOptions): Promise<void> {
  const { id } = peripheral
  signal.throwIfAborted()
  // The library took up a link by itself.
  if (peripheral.state === 'connected') return
  peripheral.state = 'disconnected'
  let answered = false
  try {
    await waitFor<void>(signal, (resolve, reject) => {
      const onConnect = (error?: Error | string | null): void => {
        answered = true
        if (error === undefined || error === null) resolve()
        else reject(connectError(id, error))
      }
      peripheral.on('connect', onConnect)
      const cancelDeadline = clock.after(ms, () => {
        reject(bleErrors.create('ERR_BLE_TIMEOUT', `${id} could not be connected to within ${ms} ms`, { details: { id } }))
      })
      const cleanUp = (): void => {
        cancelDeadline()
        peripheral.removeListener('connect', onConnect)
      }
      try {
        peripheral.connect({ timeout: Math.round(supervisionMs / 10) })
      } catch (error) {
        answered = true
        reject(connectError(id, error))
      }
      return cleanUp
    })
  } catch (error) {
    if (!answered) await giveUp(peripheral, loaded, clock)
    // It is left at `error` or `connecting`, and would not be connected to again.
    peripheral.state = 'disconnected'
    throw error
  }
}

async function giveUp(peripheral: PeripheralLike, loaded: LoadedNoble, clock: Clock): Promise<void> {
  await new Promise<void>((resolve) => {
    let cancelLook: (() => void) | undefined
    const end = (): void => {
      cancelLook?.()
      peripheral.removeListener('connect', onConnect)
      resolve()
    }
    const onConnect = (error?: Error | string | null): void => {
      // It succeeded in the same moment.
      if ((error === undefined || error === null) && peripheral.state === 'connected') peripheral.disconnect()
      end()
    }
    const look = (left: number): void => {
      if (left <= 0 || !loaded.attemptPending()) end()
      else {
        cancelLook = clock.after(LOOK_MS, () => {
          look(left - LOOK_MS)
        })
      }
    }
    peripheral.on('connect', onConnect)
    loaded.cancelConnect(peripheral.id)
    look(CANCEL_MS)
  })
}
