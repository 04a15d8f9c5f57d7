import type { Logger } from '@kithmesh/core/plugin'
import type { CompiledModules } from './load-isolated.ts'

/** The two families of noble and bleno that are known to work, by the owner of their packages. */
export type BleLibrary = 'abandonware' | 'stoprocent'

export interface LoadOptions {
  /** Gets the library's warnings. */
  readonly logger: Logger
  /** For who loads the same library several times: makes all but the first time quick. */
  readonly compiled?: CompiledModules
}

export interface PlatformLoadOptions extends LoadOptions {
  /** Number of the adapter where the platform has several: 1 for `hci1`. @default the library's choice */
  readonly deviceId?: number | undefined
}

export function packageOf(library: BleLibrary, name: 'noble' | 'bleno' | 'bluetooth-hci-socket'): string {
  return `@${library}/${name}`
}
