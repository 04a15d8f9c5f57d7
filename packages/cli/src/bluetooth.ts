import { isIPv6 } from 'node:net'
import { type Command, Option } from 'commander'
import type { ProviderFactory } from '@kithmesh/core'
import type { HciAdapter } from '@kithmesh/provider-ble'
import { cliErrors } from './errors.ts'

/** What of a command's options concerns Bluetooth. */
export interface BluetoothOptions {
  readonly ble?: true
  readonly bleAdapter?: AdapterPlace
  readonly bleLibrary?: 'abandonware' | 'stoprocent'
  readonly bleAir?: { readonly host: string; readonly port: number }
}

/** Where an adapter is. */
export type AdapterPlace =
  | { readonly kind: 'local'; readonly number: number }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string }

export const BLUETOOTH_HELP = `
Bluetooth LE: with --ble devices nearby find each other and sync without any network; a device that is seen over the network, too, is used
over Bluetooth only while nothing else works. On Linux give this program an adapter of its own: "hciconfig hci0 down", then
--ble-adapter hci0. Plain --ble takes hci0 as well, and shares it with the system where that uses it: slower, and not with everybody.
--ble-air is for trying it without radios: "kithmesh air" has a virtual air for any number of processes. docs/bluetooth.md tells the rest.`

/** Adds the options to a command. */
export function addBluetoothOptions(command: Command): Command {
  return command
    .option('--ble', 'find devices over Bluetooth LE, too')
    .addOption(
      new Option(
        '--ble-adapter <adapter>',
        'the adapter to have for oneself: hciN on Linux; HOST:PORT or the PATH of a socket for one that speaks H4 there'
      ).argParser(parseAdapter)
    )
    .addOption(
      new Option('--ble-library <name>', 'which noble and bleno to use')
        .choices(['abandonware', 'stoprocent'])
        .default(undefined, 'abandonware')
    )
    .addOption(new Option('--ble-air <host:port>', 'use a virtual air, see "kithmesh air"').argParser(parseAir))
}

/**
 * The provider that the options ask for, none when they do not. Bluetooth is loaded only when they do, and nothing is started yet.
 * @throws ERR_CLI_USAGE for options that contradict each other
 */
export async function bluetoothProviders(options: BluetoothOptions): Promise<ProviderFactory[]> {
  const { ble: wanted, bleAdapter, bleLibrary, bleAir } = options
  if (bleAdapter !== undefined && bleAir !== undefined)
    throw cliErrors.create('ERR_CLI_USAGE', 'Only one of --ble-adapter and --ble-air can be given', {
      hint: 'A virtual air stands for the adapter; leave out the one you do not want.'
    })
  if (wanted === undefined && bleAdapter === undefined && bleAir === undefined) {
    if (bleLibrary === undefined) return []
    throw cliErrors.create('ERR_CLI_USAGE', '--ble-library needs --ble, --ble-adapter or --ble-air')
  }
  const bluetooth = await import('@kithmesh/provider-ble')
  const place: AdapterPlace | undefined = bleAir === undefined ? bleAdapter : { kind: 'tcp', ...bleAir }
  const adapter = place === undefined ? {} : { adapter: adapterAt(bluetooth, place) }
  return [bluetooth.ble({ ...adapter, ...(bleLibrary === undefined ? {} : { library: bleLibrary }) })]
}

function adapterAt({ h4Socket, userChannel }: typeof import('@kithmesh/provider-ble'), place: AdapterPlace): HciAdapter {
  switch (place.kind) {
    case 'local':
      return userChannel({ device: place.number })
    case 'tcp':
      return h4Socket({ host: place.host, port: place.port })
    case 'unix':
      return h4Socket({ path: place.path })
  }
}

/** The value of `--ble-adapter`. @throws ERR_CLI_USAGE */
export function parseAdapter(text: string): AdapterPlace {
  const local = /^hci(\d{1,5})$/.exec(text)
  if (local !== null && Number(local[1]) <= 0xfffe) return { kind: 'local', number: Number(local[1]) }
  if (text.includes('/')) return { kind: 'unix', path: text }
  const place = hostAndPort(text)
  if (place !== undefined) return { kind: 'tcp', ...place }
  throw cliErrors.create('ERR_CLI_USAGE', `${text} is not a Bluetooth adapter: write hciN, HOST:PORT or the PATH of a socket`, {
    hint: '"hciconfig -a" or "btmgmt info" lists the adapters of a Linux machine; a socket in this directory is written ./name.'
  })
}

/** The value of `--ble-air`. @throws ERR_CLI_USAGE */
export function parseAir(text: string): { readonly host: string; readonly port: number } {
  const place = hostAndPort(text)
  if (place !== undefined) return place
  throw cliErrors.create('ERR_CLI_USAGE', `${text} is not the place of a virtual air: write HOST:PORT`, {
    hint: '"kithmesh air" prints it when it starts.'
  })
}

function hostAndPort(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:[\]\s/]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port < 1 || port > 65_535) return undefined
  const [, bracketed, plain] = match
  if (bracketed !== undefined && !isIPv6(bracketed.replace(/%.*$/, ''))) return undefined
  return { host: (bracketed ?? plain) as string, port }
}
