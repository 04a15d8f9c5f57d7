import { checkInteger } from '@kithmesh/core/plugin'
import type { BleBackendFactory } from '../backend/contracts.ts'
import { defaultBackend } from '../backend/default-backend.ts'
import { hciBackend } from '../backend/hci-backend.ts'
import type { HciAdapter } from '../hci/hci-port.ts'
import type { BleLibrary } from '../library/libraries.ts'

/** What {@link ble} can be told. Everything has a default. */
export interface BleOptions {
  /**
   * The controller to own: `userChannel({ device: 0 })` for hci0 of a Linux machine, which has to be down, `h4Socket(…)` for one behind a
   * socket, or a virtual one. One provider at a time uses it. Default: what this system offers, see `defaultBackend`.
   */
  readonly adapter?: HciAdapter
  /** Whose noble and bleno are used. Default `abandonware` on Linux and over an `adapter`, `stoprocent` on macOS and Windows. */
  readonly library?: BleLibrary
  /** Between two advertisements of this device, milliseconds; not where the operating system decides. 20 to 10,240, default 100. */
  readonly advertisingIntervalMs?: number
  /**
   * Devices that may be connected because they found this one; with as many, others do not find it. 1 to 32, default 16; where the
   * operating system decides, 32 on macOS.
   */
  readonly maxCentrals?: number
  /** Streams that other devices opened, at a time; more are closed at once. 1 to 1000, default 64. */
  readonly maxStreams?: number
  /** What makes Bluetooth work, in place of what the five options above describe. One provider at a time uses what it makes. */
  readonly backend?: BleBackendFactory
  /**
   * Signal strength in dBm from which on connecting to a device makes sense; it has to become 6 dB weaker before it no longer does.
   * -127 to 0, default -80.
   */
  readonly minRssi?: number
  /**
   * How long a device that is no longer heard stays listed, in milliseconds. Devices that have a stream open with this one stay, as an
   * adapter may stop advertising meanwhile. Should be ten times the longest advertising interval of any device: phones in the background
   * advertise every 1.3 s. 500 to 3,600,000, default 15,000.
   */
  readonly ttlMs?: number
  /** Devices that are remembered at most, listed or not; the least recently heard ones that were never read give way. 1 to 10,000, default 500. */
  readonly maxDevices?: number
  /** Devices whose characteristics are read at the same time. 1 to 16, default 2. */
  readonly concurrentReads?: number
  /** Per try to read from a device, connecting included, milliseconds. 100 to 120,000, default 10,000. */
  readonly readTimeoutMs?: number
  /** Tries to read from a new device before it is listed without metadata; after that it is tried once a minute. 1 to 20, default 4. */
  readonly readAttempts?: number
  /** The wait after a failed try, milliseconds; it doubles with each further one, up to a minute. 10 to 60,000, default 1000. */
  readonly retryMs?: number
  /**
   * After how long a device that advertises no tag, and so gives no hint of a change, is read again, milliseconds. 1000 to 86,400,000,
   * default 300,000.
   */
  readonly refreshMs?: number
  /** How long starting may take, milliseconds. 100 to 30,000, default 20,000. */
  readonly startTimeoutMs?: number
}

export interface CheckedOptions {
  readonly backend: BleBackendFactory
  readonly minRssi: number
  readonly ttlMs: number
  readonly maxDevices: number
  readonly concurrentReads: number
  readonly readTimeoutMs: number
  readonly readAttempts: number
  readonly retryMs: number
  readonly refreshMs: number
  readonly startTimeoutMs: number
}

/** Fills in the defaults. @throws TypeError for values that cannot work */
export function checkOptions(options: BleOptions): CheckedOptions {
  const number = (name: Exclude<keyof CheckedOptions, 'backend'>, fallback: number, min: number, max: number): number =>
    checkInteger(name, options[name] ?? fallback, min, max)
  return {
    backend: checkBackend(options),
    minRssi: number('minRssi', -80, -127, 0),
    ttlMs: number('ttlMs', 15_000, 500, 3_600_000),
    maxDevices: number('maxDevices', 500, 1, 10_000),
    concurrentReads: number('concurrentReads', 2, 1, 16),
    readTimeoutMs: number('readTimeoutMs', 10_000, 100, 120_000),
    readAttempts: number('readAttempts', 4, 1, 20),
    retryMs: number('retryMs', 1000, 10, 60_000),
    refreshMs: number('refreshMs', 300_000, 1000, 86_400_000),
    startTimeoutMs: number('startTimeoutMs', 20_000, 100, 30_000)
  }
}

function checkBackend({ backend, adapter, library, advertisingIntervalMs, maxCentrals, maxStreams }: BleOptions): BleBackendFactory {
  const described = { adapter, library, advertisingIntervalMs, maxCentrals, maxStreams }
  if (backend === undefined) {
    const options = {
      ...(library !== undefined && { library }),
      ...(advertisingIntervalMs !== undefined && { advertisingIntervalMs }),
      ...(maxCentrals !== undefined && { maxCentrals }),
      ...(maxStreams !== undefined && { maxStreams })
    }
    return adapter === undefined ? defaultBackend(options) : hciBackend({ ...options, adapter })
  }
  if (typeof backend !== 'function') throw new TypeError('backend must be a function that makes a backend')
  const [extra] = Object.entries(described).find(([, value]) => value !== undefined) ?? []
  if (extra !== undefined) throw new TypeError(`${extra} means nothing with a backend, which was made with options of its own`)
  return backend
}
