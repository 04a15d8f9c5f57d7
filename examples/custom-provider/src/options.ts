import { isIP } from 'node:net'
import { resolve } from 'node:path'

export interface SharedFolderOptions {
  /** The folder that all peers see; created when it is missing. */
  readonly directory: string
  /** Pause between two looks at the store, and between two signs of life, milliseconds. @default 2000 */
  readonly intervalMs?: number
  /** A device that gave no sign of life for so long is gone, milliseconds. @default five intervals */
  readonly expiresMs?: number
  /** IP addresses at which this device's listener can be reached. @default those of this machine's network interfaces */
  readonly addresses?: readonly string[]
}

export interface CheckedOptions {
  readonly directory: string
  readonly intervalMs: number
  readonly expiresMs: number
  readonly addresses: readonly string[] | undefined
}

/** @throws TypeError */
export function checkOptions({ directory, intervalMs = 2000, expiresMs = 5 * intervalMs, addresses }: SharedFolderOptions): CheckedOptions {
  if (typeof directory !== 'string' || directory === '') throw new TypeError('directory is not the path of a folder')
  if (!(intervalMs >= 10)) throw new TypeError('intervalMs is not a number of milliseconds of at least 10')
  if (!(expiresMs >= 2 * intervalMs)) throw new TypeError('expiresMs is not at least two intervals')
  if (addresses?.every((address) => isIP(address) !== 0) === false) throw new TypeError('addresses holds something other than IP addresses')
  return { directory: resolve(directory), intervalMs, expiresMs, addresses }
}
