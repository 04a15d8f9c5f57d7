import { checkInteger } from '@kithmesh/core/plugin'
import type { LoadedBleno } from '../library/bleno-like.ts'
import { packageOf, type BleLibrary, type PlatformLoadOptions } from '../library/libraries.ts'
import { loadPlatformBleno } from '../library/load-bleno.ts'
import { loadPlatformNoble } from '../library/load-noble.ts'
import type { LoadedNoble } from '../library/noble-like.ts'
import { createPublisher } from '../publisher/publisher.ts'
import { backendOf } from './backend.ts'
import { centralPart } from './central-part.ts'
import type { BleBackendFactory } from './contracts.ts'
import { checkLibrary } from './hci-backend.ts'

/** What {@link platformBackend} can be told. */
export interface PlatformBackendOptions {
  /** Whose noble and bleno are used. @default 'stoprocent', which is maintained, and tells centrals apart on macOS */
  readonly library?: BleLibrary
  /** Streams of others at a time. @default 64 */
  readonly maxStreams?: number
}

/** @internal what is different in tests */
export interface PlatformParts {
  readonly platform: NodeJS.Platform
  readonly loadNoble: (library: BleLibrary, options: PlatformLoadOptions) => LoadedNoble
  readonly loadBleno: (library: BleLibrary, options: PlatformLoadOptions) => LoadedBleno
}

/** @internal exported for tests */
export function partsOf(platform: NodeJS.Platform): PlatformParts {
  return { platform, loadNoble: loadPlatformNoble, loadBleno: loadPlatformBleno }
}

/**
 * Bluetooth of the operating system, through what noble and bleno have for it: CoreBluetooth on macOS, WinRT on Windows, where it finds and
 * connects and cannot publish. Streams go through the stream characteristic, as neither has L2CAP channels. On Linux use `hciBackend`, which
 * keeps what devices send from ending the program (ble.md §6.1). Nothing is loaded before it is started.
 */
export function platformBackend(options: PlatformBackendOptions = {}): BleBackendFactory {
  return platformBackendOf(options, partsOf(process.platform))
}

/** @internal exported for tests */
export function platformBackendOf(options: PlatformBackendOptions, { platform, loadNoble, loadBleno }: PlatformParts): BleBackendFactory {
  const { library = 'stoprocent', maxStreams = 64 } = options
  checkLibrary(library)
  checkInteger('maxStreams', maxStreams, 1, 1000)
  const publishes = platform === 'darwin'
  // One of the libraries does not say on macOS whose request it is: streams of several devices would be mixed up.
  const stream = library === 'stoprocent'
  return ({ clock, logger }) =>
    backendOf({
      description: () => `${packageOf(library, 'noble')} on ${platform}`,
      capabilities: { publishes, l2cap: false },
      logger,
      central: centralPart({ clock, logger: logger.child('central'), load: () => loadNoble(library, { logger }) }),
      ...(publishes && {
        publisher: (usable: () => void, failed: (error: Error) => void) =>
          createPublisher({
            clock,
            logger: logger.child('publisher'),
            maxStreams,
            maxCentrals: 32,
            stream,
            advertisesBytes: false,
            failed,
            load: () => {
              usable()
              if (!stream)
                logger.warn('This library does not tell devices apart on macOS: others cannot open streams; @stoprocent/bleno can')
              return loadBleno(library, { logger })
            }
          })
      })
    })
}
