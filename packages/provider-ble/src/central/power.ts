import { type Clock, waitFor } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import { stateError } from '../library/library-errors.ts'

/** What noble and bleno have in common. */
export interface Powered {
  readonly name: string
  readonly library: {
    readonly state: string
    on(event: 'stateChange', listener: (state: string) => void): unknown
    removeListener(event: string, listener: (...parameters: never[]) => void): unknown
  }
}

/**
 * Waits until a library that was started says that Bluetooth is on.
 * @throws ERR_BLE_POWERED_OFF, ERR_BLE_NOT_PERMITTED or ERR_BLE_UNSUPPORTED as soon as it says so, ERR_BLE_ADAPTER_FAILED when it says
 * nothing in time, the signal's reason
 */
export function whenPoweredOn({ name, library }: Powered, options: { clock: Clock; ms: number; signal: AbortSignal }): Promise<void> {
  return waitFor(options.signal, (resolve, reject) => {
    const look = (): void => {
      const error = stateError(name, library.state)
      if (error !== undefined) reject(error)
      else if (library.state === 'poweredOn') resolve()
    }
    library.on('stateChange', look)
    const cancelDeadline = options.clock.after(options.ms, () => {
      reject(bleErrors.create('ERR_BLE_ADAPTER_FAILED', `The adapter did not come up within ${options.ms} ms, ${name} says`))
    })
    look()
    return () => {
      library.removeListener('stateChange', look)
      cancelDeadline()
    }
  })
}

/**
 * Tells once when Bluetooth is no longer on.
 * @returns ends the listening
 */
export function whenPowerLost({ name, library }: Powered, lost: (error: Error) => void): () => void {
  const end = (): void => {
    library.removeListener('stateChange', look)
  }
  const look = (): void => {
    if (library.state === 'poweredOn') return
    end()
    lost(stateError(name, library.state) ?? bleErrors.create('ERR_BLE_ADAPTER_FAILED', `The adapter is ${library.state}, ${name} says`))
  }
  library.on('stateChange', look)
  return end
}
