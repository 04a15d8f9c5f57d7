import type { LibraryStack } from '../hci/hci-host.ts'
import { type BleLibrary, type LoadOptions, type PlatformLoadOptions, packageOf } from './libraries.ts'
import { libraryError } from './library-errors.ts'
import { loadIsolated } from './load-isolated.ts'
import { type NobleInternals, boundDiscoveries, clampMtu, forgetDevice, guardAclQueue } from './noble-internals.ts'
import type { LoadedNoble, NobleLike } from './noble-like.ts'
import { quietStateChanges, tamePolling, withoutProcessListeners } from './side-effects.ts'

type NobleConstructor = new (bindings: unknown) => unknown
type BindingsConstructor = new (options: object) => unknown

/**
 * Loads a private instance of an unmodified noble above a stack of a host of ours. It finds a controller that is always up and bound "raw",
 * whatever the environment says, as that is the mode in which all of it works (ble.md §6.2). Releasing the instance releases the stack.
 * @throws ERR_BLE_NOT_INSTALLED, with the cause
 */
export function loadNoble(library: BleLibrary, stack: LibraryStack, options: LoadOptions): LoadedNoble {
  const name = packageOf(library, 'noble')
  try {
    const socketPackage = packageOf(library, 'bluetooth-hci-socket')
    const substitute = library === 'abandonware' ? stack.Socket : { loadDriver: () => stack.Socket }
    const [Noble, Bindings] = loadIsolated(name, ['lib/noble.js', 'lib/hci-socket/bindings.js'], { [socketPackage]: substitute }) as [
      NobleConstructor,
      BindingsConstructor
    ]
    const noble = new Noble(new Bindings(library === 'abandonware' ? {} : { extended: false, userChannel: false })) as NobleInternals
    return loadedNoble(name, noble, { ...options, hosted: stack })
  } catch (error) {
    stack.release()
    throw libraryError(`${name} cannot be loaded`, error)
  }
}

/**
 * Loads a private instance of noble with its own bindings for this platform: CoreBluetooth, WinRT, or an adapter shared with the kernel on
 * Linux.
 * @throws ERR_BLE_NOT_INSTALLED, ERR_BLE_NO_ADAPTER, ERR_BLE_NOT_PERMITTED, ERR_BLE_ADAPTER_BUSY, ERR_BLE_POWERED_OFF, ERR_BLE_UNSUPPORTED or
 * ERR_BLE_ADAPTER_FAILED, with the cause
 */
export function loadPlatformNoble(library: BleLibrary, options: PlatformLoadOptions): LoadedNoble {
  const name = packageOf(library, 'noble')
  const bindingOptions = options.deviceId === undefined ? {} : { deviceId: options.deviceId }
  try {
    const noble =
      library === 'abandonware'
        ? (loadIsolated(name, ['with-custom-binding.js'], {})[0] as (options: object) => NobleInternals)(bindingOptions)
        : loadStoprocent(name, bindingOptions)
    return loadedNoble(name, noble, options)
  } catch (error) {
    throw libraryError(`${name} cannot be loaded`, error)
  }
}

// Its HCI bindings are required lazily, which must happen while the package is isolated.
function loadStoprocent(name: string, options: object): NobleInternals {
  const hci = process.platform === 'darwin' || process.platform === 'win32' ? [] : ['lib/hci-socket/bindings.js']
  const [withBindings] = loadIsolated(name, ['lib/resolve-bindings.js', ...hci], {}) as [(type: string, options: object) => NobleInternals]
  return withBindings('default', options)
}

function loadedNoble(
  name: string,
  noble: NobleInternals,
  { logger, hosted }: LoadOptions & { readonly hosted?: LibraryStack }
): LoadedNoble {
  const bindings = noble._bindings
  const ends: Array<() => void> = []
  let released = false
  // Otherwise it begins when somebody listens to it or asks for its state.
  noble.initialized = true
  noble._initialized = true
  noble.removeAllListeners('warning')
  noble.on('warning', (message) => {
    logger.warn('The Bluetooth library warns', { library: name, warning: message })
  })

  /** The first family has its HCI layer from the beginning, the second one when it has been started. */
  const tame = (): void => {
    const hci = bindings._hci
    if (hci === undefined || hci === null) return
    guardAclQueue(hci)
    boundDiscoveries(bindings)
  }

  return {
    name,
    noble: noble as unknown as NobleLike,
    start() {
      if (released) throw new TypeError('a released library cannot be started')
      try {
        clampMtu(noble)
        quietStateChanges(bindings)
        withoutProcessListeners(() => {
          if (noble._initializeBindings !== undefined) {
            noble._initializeBindings()
            tame()
            // A host knows better than to look once a second; a timer that is still there is not set again.
            if (hosted !== undefined) clearTimeout(bindings._hci?._devUpPollTimer ?? undefined)
          } else {
            const hci = bindings._hci
            if (hci !== undefined && hci !== null) {
              if (hosted !== undefined) hci._userChannel = undefined
              ends.push(tamePolling(hci, hosted === undefined))
            }
            tame()
            bindings.init?.()
          }
        })
      } catch (error) {
        this.release()
        throw libraryError(`${name} cannot use the adapter`, error)
      }
    },
    cancelConnect: (id) => {
      noble.cancelConnect(id)
    },
    attemptPending: () => !released && bindings._pendingConnectionUuid !== undefined && bindings._pendingConnectionUuid !== null,
    forget: (id) => {
      forgetDevice(noble, id)
    },
    release() {
      if (released) return
      released = true
      for (const end of ends) end()
      hosted?.release()
      noble.removeAllListeners()
      try {
        endBindings(noble)
      } catch (error) {
        logger.debug('The Bluetooth library did not end cleanly', { library: name, error })
      }
    }
  }
}

function endBindings(noble: NobleInternals): void {
  const bindings = noble._bindings
  const hci = bindings._hci
  // The second family can stop by itself, once it was started.
  if (bindings.stop !== undefined && hci !== null) bindings.stop()
  else hci?._socket.stop?.()
  hci?._socket.removeAllListeners()
  hci?.removeAllListeners()
  bindings.removeAllListeners?.()
}
