import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type BleLibrary, packageOf } from './library/libraries.ts'

/** What {@link bluetoothOfMachine} found. */
export interface BluetoothOfMachine {
  readonly platform: NodeJS.Platform
  /** The families of noble and bleno whose packages are installed. */
  readonly libraries: readonly BleLibrary[]
  /** Linux only: the kernel's adapters, such as `hci0`; undefined elsewhere, where only the libraries can tell. */
  readonly adapters: readonly string[] | undefined
  /** Linux only: adapters that a switch, of the machine or in software, keeps from sending. */
  readonly blocked: readonly string[]
  /**
   * Linux only: whether this process may have an adapter for itself (CAP_NET_ADMIN) or share one with the system (CAP_NET_RAW); undefined
   * elsewhere, where the system asks its user.
   */
  readonly mayUse: { readonly own: boolean; readonly shared: boolean } | undefined
}

const CAP_NET_ADMIN = 12n
const CAP_NET_RAW = 13n

/**
 * What this machine has for Bluetooth LE, without using any of it: no library is loaded, no adapter touched.
 * @param root for tests: where `/proc` and `/sys` are
 */
export function bluetoothOfMachine(root = '/', platform: NodeJS.Platform = process.platform): BluetoothOfMachine {
  const libraries = (['abandonware', 'stoprocent'] as const).filter((library) =>
    (['noble', 'bleno'] as const).every((name) => isInstalled(packageOf(library, name)))
  )
  if (platform !== 'linux') return { platform, libraries, adapters: undefined, blocked: [], mayUse: undefined }
  const adapters = entries(join(root, 'sys/class/bluetooth')).filter((name) => /^hci\d+$/.test(name))
  return {
    platform,
    libraries,
    adapters,
    blocked: adapters.filter((name) => isBlocked(join(root, 'sys/class/bluetooth', name))),
    mayUse: capabilities(join(root, 'proc/self/status'))
  }
}

function isInstalled(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name)
    return true
  } catch {
    return false
  }
}

function entries(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : []
}

/** Each adapter has its own switches, `rfkill0` for instance. */
function isBlocked(adapter: string): boolean {
  return entries(adapter)
    .filter((name) => name.startsWith('rfkill'))
    .some((name) => ['soft', 'hard'].some((kind) => text(join(adapter, name, kind)).trim() === '1'))
}

function capabilities(file: string): { readonly own: boolean; readonly shared: boolean } {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/im.exec(text(file))?.[1] ?? '0'}`)
  const has = (bit: bigint): boolean => (effective & (1n << bit)) !== 0n
  return { own: has(CAP_NET_ADMIN), shared: has(CAP_NET_RAW) }
}

function text(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
