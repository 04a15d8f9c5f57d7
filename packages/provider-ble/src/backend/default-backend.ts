import { checkInteger, errorCode, isKithmeshError } from '@kithmesh/core/plugin'
import { sharedChannel, userChannel } from '../hci/native/linux-adapter.ts'
import type { BleBackendFactory } from './contracts.ts'
import { firstUsableBackend } from './first-usable-backend.ts'
import { hciBackend, type HciBackendOptions } from './hci-backend.ts'
import { partsOf, platformBackendOf } from './platform-backend.ts'

/** What {@link defaultBackend} can be told. */
export interface DefaultBackendOptions extends Omit<HciBackendOptions, 'adapter' | 'l2cap'> {
  /** Number of the adapter on Linux: 1 for `hci1`. @default 0 */
  readonly device?: number
}

/**
 * What this operating system offers. On Linux an adapter for this program alone, and when the system itself uses the adapter, the adapter
 * together with the system, with a line in the log that says what that costs. On macOS and Windows the system's Bluetooth.
 * @throws TypeError for options that make no sense
 */
export function defaultBackend(options: DefaultBackendOptions = {}): BleBackendFactory {
  return defaultBackendFor(options, process.platform)
}

/** @internal exported for tests */
export function defaultBackendFor({ device = 0, ...options }: DefaultBackendOptions, platform: NodeJS.Platform): BleBackendFactory {
  checkInteger('device', device, 0, 0xffff)
  if (platform !== 'linux') {
    const { library, maxStreams } = options
    return platformBackendOf(
      { ...(library !== undefined && { library }), ...(maxStreams !== undefined && { maxStreams }) },
      partsOf(platform)
    )
  }
  const own = hciBackend({ ...options, adapter: userChannel({ device }) })
  const shared = hciBackend({ ...options, adapter: sharedChannel({ device }), l2cap: false })
  return firstUsableBackend([
    {
      factory: own,
      giveWay: isUsedBySystem,
      otherwise:
        `The system uses hci${device}, and it is shared with it: no L2CAP channels, so streams are slower, and devices that have nothing else ` +
        `cannot be reached. "btmgmt power off" or "hciconfig hci${device} down" before the start leaves it to this program`
    },
    { factory: shared, giveWay: () => false, otherwise: '' }
  ])
}

/** @internal It is up (EBUSY); an adapter that another program has for itself (EUSERS) cannot be shared either. */
export function isUsedBySystem(error: unknown): boolean {
  if (!isKithmeshError(error, 'ERR_BLE_ADAPTER_BUSY')) return false
  const { cause } = error
  return errorCode(cause) !== 'EUSERS' && !(cause instanceof Error && /too many users/i.test(cause.message))
}
