import { errorCode, isKithmeshError } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'

type BleErrorCode = Parameters<typeof bleErrors.create>[0]

const byCode: Readonly<Record<string, BleErrorCode>> = {
  MODULE_NOT_FOUND: 'ERR_BLE_NOT_INSTALLED',
  ERR_MODULE_NOT_FOUND: 'ERR_BLE_NOT_INSTALLED',
  ERR_DLOPEN_FAILED: 'ERR_BLE_NOT_INSTALLED',
  EAFNOSUPPORT: 'ERR_BLE_UNSUPPORTED',
  EPROTONOSUPPORT: 'ERR_BLE_UNSUPPORTED',
  ENODEV: 'ERR_BLE_NO_ADAPTER',
  EPERM: 'ERR_BLE_NOT_PERMITTED',
  EACCES: 'ERR_BLE_NOT_PERMITTED',
  EBUSY: 'ERR_BLE_ADAPTER_BUSY',
  EUSERS: 'ERR_BLE_ADAPTER_BUSY',
  ENETDOWN: 'ERR_BLE_POWERED_OFF'
}

// The native parts do not always set a code.
const byMessage: ReadonlyArray<readonly [RegExp, BleErrorCode]> = [
  [/no native build was found|could not locate the bindings|was compiled against a different/i, 'ERR_BLE_NOT_INSTALLED'],
  [/unsupported platform|not supported/i, 'ERR_BLE_UNSUPPORTED'],
  [/no such device/i, 'ERR_BLE_NO_ADAPTER'],
  [/not permitted|permission denied/i, 'ERR_BLE_NOT_PERMITTED'],
  [/busy|too many users/i, 'ERR_BLE_ADAPTER_BUSY'],
  [/network is down/i, 'ERR_BLE_POWERED_OFF']
]

/** Says what kept a library, or the native part below it, from being loaded or started; the original error is the cause (ble.md §1). */
export function libraryError(what: string, error: unknown): Error {
  if (isKithmeshError(error)) return error
  const message = error instanceof Error ? error.message : String(error)
  const code =
    byCode[errorCode(error) ?? ''] ?? byMessage.find(([pattern]) => pattern.test(message))?.[1] ?? ('ERR_BLE_ADAPTER_FAILED' as const)
  return bleErrors.create(code, `${what}: ${firstLine(message)}`, { cause: error })
}

/** What a library's state means for those that need Bluetooth; undefined while it is on or not known yet. */
export function stateError(library: string, state: string): Error | undefined {
  switch (state) {
    case 'poweredOff':
      return bleErrors.create('ERR_BLE_POWERED_OFF', `${library} says that Bluetooth is switched off`)
    case 'unauthorized':
      return bleErrors.create('ERR_BLE_NOT_PERMITTED', `${library} is not allowed to use the Bluetooth adapter`)
    case 'unsupported':
      return bleErrors.create('ERR_BLE_UNSUPPORTED', `${library} says that there is no adapter with Bluetooth LE`)
    default:
      return undefined
  }
}

// Node appends the stack of requiring modules to the message.
function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message
}
