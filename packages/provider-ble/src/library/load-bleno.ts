import os from 'node:os'
import type { LibraryStack } from '../hci/hci-host.ts'
import type { BlenoLike, CharacteristicDescription, LoadedBleno } from './bleno-like.ts'
import { type BleLibrary, type LoadOptions, type PlatformLoadOptions, packageOf } from './libraries.ts'
import { libraryError } from './library-errors.ts'
import { loadIsolated } from './load-isolated.ts'
import { NoPairing } from './no-pairing.ts'
import { type PollingHci, quietStateChanges, tamePolling, withoutProcessListeners } from './side-effects.ts'

/** What is touched of bleno beyond its public side. Every field may be missing: platform bindings differ. */
interface BlenoInternals {
  initialized: boolean
  readonly PrimaryService: new (options: object) => unknown
  readonly Characteristic: new (options: object) => unknown
  readonly _bindings: {
    readonly _hci?: BlenoHci
    init?: () => void
    stop?: () => void
    onStateChange?: (state: string) => void
    removeAllListeners?: () => unknown
  }
  removeAllListeners(): unknown
}

interface BlenoHci extends PollingHci {
  _userChannel?: unknown
  readonly _socket: {
    bindRaw(deviceId?: number, parameters?: unknown): unknown
    removeAllListeners(): unknown
    stop?: () => void
  }
  removeAllListeners(): unknown
}

export interface BlenoOptions extends LoadOptions {
  /** What whoever connects can read as the name of the device; the libraries would tell that of the computer. @default none */
  readonly deviceName?: string
}

/**
 * Loads a private instance of an unmodified bleno above a stack of a host of ours. Releasing the instance releases the stack.
 * @throws ERR_BLE_NOT_INSTALLED, with the cause
 */
export function loadBleno(library: BleLibrary, stack: LibraryStack, { logger, compiled, deviceName = '' }: BlenoOptions): LoadedBleno {
  const name = packageOf(library, 'bleno')
  const substitutes = { './smp': NoPairing, os: { ...os, hostname: () => deviceName } }
  try {
    const socketPackage = packageOf(library, 'bluetooth-hci-socket')
    return loadedBleno(name, library, { logger, hosted: stack }, () => {
      if (library === 'stoprocent') {
        const [Bleno, Bindings] = loadIsolated(
          name,
          ['lib/bleno.js', 'lib/hci-socket/bindings.js'],
          {
            [socketPackage]: { loadDriver: () => stack.Socket },
            ...substitutes
          },
          compiled
        ) as [new (bindings: unknown) => BlenoInternals, new (options: object) => unknown]
        return new Bleno(new Bindings({}))
      }
      // On macOS it would take CoreBluetooth: that is replaced as well, by the bindings every other system gets.
      const [bindings] = loadIsolated(name, ['lib/hci-socket/bindings.js'], { [socketPackage]: stack.Socket, ...substitutes }, compiled)
      const [Bleno] = loadIsolated(name, ['lib/bleno.js'], { './hci-socket/bindings': bindings, './mac/bindings': bindings }, compiled)
      return new (Bleno as new () => BlenoInternals)()
    })
  } catch (error) {
    stack.release()
    throw libraryError(`${name} cannot be loaded`, error)
  }
}

/**
 * Loads a private instance of bleno with its own bindings for this platform: CoreBluetooth, or an adapter shared with the kernel on Linux.
 * @throws ERR_BLE_NOT_INSTALLED, ERR_BLE_NO_ADAPTER, ERR_BLE_NOT_PERMITTED, ERR_BLE_ADAPTER_BUSY, ERR_BLE_POWERED_OFF, ERR_BLE_UNSUPPORTED or
 * ERR_BLE_ADAPTER_FAILED, with the cause
 */
export function loadPlatformBleno(library: BleLibrary, options: PlatformLoadOptions): LoadedBleno {
  const name = packageOf(library, 'bleno')
  try {
    return loadedBleno(name, library, options, () => {
      if (library === 'abandonware') return new (loadIsolated(name, ['lib/bleno.js'], {})[0] as new () => BlenoInternals)()
      const hci = process.platform === 'darwin' ? [] : ['lib/hci-socket/bindings.js']
      const [withBindings] = loadIsolated(name, ['lib/resolve-bindings.js', ...hci], {}) as [
        (type: string, options: object) => BlenoInternals
      ]
      return withBindings('default', options.deviceId === undefined ? {} : { deviceId: options.deviceId })
    })
  } catch (error) {
    throw libraryError(`${name} cannot be loaded`, error)
  }
}

function loadedBleno(
  name: string,
  library: BleLibrary,
  { logger, hosted, deviceId }: PlatformLoadOptions & { readonly hosted?: LibraryStack },
  load: () => BlenoInternals
): LoadedBleno {
  const bleno = load()
  const bindings = bleno._bindings
  const manyCentrals = library === 'stoprocent'
  const ends: Array<() => void> = []
  let started = false
  let released = false
  // Otherwise it begins when somebody listens to it.
  bleno.initialized = true
  return {
    name,
    bleno: bleno as unknown as BlenoLike,
    manyCentrals,
    service: (uuid, characteristics) =>
      new bleno.PrimaryService({
        uuid,
        characteristics: characteristics.map((description) => new bleno.Characteristic(characteristicOptions(description, manyCentrals)))
      }),
    start() {
      if (released) throw new TypeError('a released library cannot be started')
      const hci = bindings._hci
      try {
        quietStateChanges(bindings)
        withoutProcessListeners(() => {
          if (hci !== undefined) {
            if (hosted !== undefined) hci._userChannel = undefined
            // The first family takes the number from the environment alone.
            if (deviceId !== undefined) hci._socket.bindRaw = hci._socket.bindRaw.bind(hci._socket, deviceId)
            ends.push(tamePolling(hci, hosted === undefined))
          }
          started = true
          bindings.init?.()
        })
      } catch (error) {
        this.release()
        throw libraryError(`${name} cannot use the adapter`, error)
      }
    },
    release() {
      if (released) return
      released = true
      for (const end of ends) end()
      hosted?.release()
      bleno.removeAllListeners()
      try {
        if (started && bindings.stop !== undefined) bindings.stop()
        else bindings._hci?._socket.stop?.()
        bindings._hci?._socket.removeAllListeners()
        bindings._hci?.removeAllListeners()
        bindings.removeAllListeners?.()
      } catch (error) {
        logger.debug('The Bluetooth library did not end cleanly', { library: name, error })
      }
    }
  }
}

// The second family tells every handler the connection first; the first family knows only one.
function characteristicOptions(description: CharacteristicDescription, connectionFirst: boolean): object {
  const { uuid, properties, onRead, onWrite, onSubscribe, onUnsubscribe, onNotify } = description
  const adapt =
    <Parameters extends unknown[]>(handler: (connection: number | undefined, ...parameters: Parameters) => void) =>
    (...parameters: unknown[]): void => {
      if (connectionFirst) handler(...(parameters as [number | undefined, ...Parameters]))
      else handler(undefined, ...(parameters as Parameters))
    }
  return {
    uuid,
    properties,
    ...(onRead !== undefined && { onReadRequest: adapt(onRead) }),
    ...(onWrite !== undefined && { onWriteRequest: adapt(onWrite) }),
    ...(onSubscribe !== undefined && { onSubscribe: adapt(onSubscribe) }),
    ...(onUnsubscribe !== undefined && { onUnsubscribe: adapt(onUnsubscribe) }),
    ...(onNotify !== undefined && { onNotify: adapt(onNotify) })
  }
}
