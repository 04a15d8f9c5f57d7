import { checkInteger } from '@kithmesh/core/plugin'
import type { HciAdapter } from '../hci/hci-port.ts'
import { createHciHost } from '../hci/create-hci-host.ts'
import { packageOf, type BleLibrary } from '../library/libraries.ts'
import type { CompiledModules } from '../library/load-isolated.ts'
import { loadBleno } from '../library/load-bleno.ts'
import { loadNoble } from '../library/load-noble.ts'
import { advertisingUnits, peripheralStack } from '../publisher/peripheral-stack.ts'
import { createPublisher } from '../publisher/publisher.ts'
import { backendOf } from './backend.ts'
import { centralPart } from './central-part.ts'
import type { BleBackendFactory } from './contracts.ts'

/** What {@link hciBackend} can be told. */
export interface HciBackendOptions {
  /** The controller: `userChannel()`, `sharedChannel()`, `h4Socket(…)` or a virtual one. */
  readonly adapter: HciAdapter
  /** Whose noble and bleno are used. @default 'abandonware' */
  readonly library?: BleLibrary
  /**
   * Whether the adapter is for this program alone, and L2CAP channels can be opened and accepted. False for `sharedChannel()`: the kernel
   * answers requests for channels itself; then streams go through the stream characteristic. @default true
   */
  readonly l2cap?: boolean
  /** Milliseconds between two advertisements, 20 to 10,240. @default 100 */
  readonly advertisingIntervalMs?: number
  /** Devices that may be connected because they found this one; with as many, it is not found by others. 1 to 32. @default 16 */
  readonly maxCentrals?: number
  /** Streams of others at a time; more are closed at once. 1 to 1000. @default 64 */
  readonly maxStreams?: number
}

/**
 * Bluetooth over a controller of one's own: noble and bleno unmodified above one owner of the controller, which keeps them apart, guards them
 * from malformed packets and has the L2CAP channels. Nothing is loaded or opened before it is started.
 * @throws TypeError for options that make no sense
 *
 * @example
 * ble({ backend: hciBackend({ adapter: userChannel({ device: 1 }) }) })
 */
export function hciBackend(options: HciBackendOptions): BleBackendFactory {
  const { adapter, library = 'abandonware', l2cap = true, advertisingIntervalMs = 100, maxCentrals = 16, maxStreams = 64 } = options
  checkLibrary(library)
  advertisingUnits(advertisingIntervalMs)
  checkInteger('maxCentrals', maxCentrals, 1, 32)
  checkInteger('maxStreams', maxStreams, 1, 1000)
  // A bleno that serves one central is loaded anew for each.
  const compiled: CompiledModules = new Map()
  return ({ clock, logger }) => {
    // A link for each central, and as many of our own.
    const host = createHciHost({ adapter, clock, logger: logger.child('hci'), l2cap, maxLinks: Math.max(16, 2 * maxCentrals) })
    return backendOf({
      description: () => `${packageOf(library, 'noble')} on ${adapter.description}`,
      capabilities: { publishes: true, l2cap },
      logger,
      adapter: host,
      central: centralPart({
        clock,
        logger: logger.child('central'),
        host,
        load: () => loadNoble(library, host.stack('central'), { logger })
      }),
      publisher: (usable) =>
        createPublisher({
          clock,
          logger: logger.child('publisher'),
          maxCentrals,
          maxStreams,
          ...(l2cap && { listen: (wanted) => host.listen(wanted) }),
          paced: true,
          disconnect: (id) => host.linkTo(id)?.disconnect(),
          hold: (id) => host.linkTo(id)?.hold(),
          load: ({ deviceName, ...hooks }) => {
            usable()
            return loadBleno(library, peripheralStack(host.stack('peripheral'), { intervalMs: advertisingIntervalMs, ...hooks }), {
              logger,
              compiled,
              deviceName
            })
          }
        })
    })
  }
}

export function checkLibrary(library: string): void {
  if (library !== 'abandonware' && library !== 'stoprocent')
    throw new TypeError(`library must be 'abandonware' or 'stoprocent', not ${library}`)
}
