import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { type ProviderFactory, createPeerDiscovery, silentLogger, systemClock } from '@kithmesh/core'
import { dnssd } from '@kithmesh/provider-dnssd'
import { BLUETOOTH_HELP, type BluetoothOptions, addBluetoothOptions, bluetoothProviders } from '../bluetooth.ts'
import { cliErrors } from '../errors.ts'
import { type Io, jsonLine, line } from '../io.ts'
import { printable } from '../printable.ts'
import { knownPeersCommands } from './known-peers.ts'
import { parseCount, repeat } from '../options.ts'
import { warnOfFailures } from '../provider-failures.ts'
import { type WideAreaOptions, addBrokerOptions, brokerProvider, checkNoneNeedsBroker } from '../wide-area.ts'

interface PeersOptions extends Pick<WideAreaOptions, 'broker' | 'brokerCa' | 'groupKeyFile'>, BluetoothOptions {
  readonly group?: string
  readonly interface?: readonly string[]
  readonly seconds: number
  readonly lan: boolean
  readonly json?: true
}

export function peersCommand(parent: Command, io: Io): void {
  const command = parent
    .command('peers')
    .description('list who is on the network, at brokers, and nearby; and whom a database directory trusts')
    .option('--group <id>', 'the group, as given to "sync"')
    .option('--interface <name>', 'network interface or address to use; repeatable, default all', repeat(String))
    .option('--seconds <n>', 'how long to look', parseCount(1), 3)
    .option('--no-lan', 'do not look for devices on this network')
  command.enablePositionalOptions()
  addBluetoothOptions(addBrokerOptions(command))
    .option('--json', 'print one JSON line per device')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh peers --group my-app
  kithmesh peers --group my-app --seconds 10 --json
  kithmesh peers --group my-app --broker mqtts://broker.example.org
  kithmesh peers --group my-app --no-lan --ble-adapter hci0
  kithmesh peers list ./shop                whom this database directory trusts and blocks
  kithmesh peers block ./shop 3fb1…
Nothing is announced: whoever looks is not seen by the devices, but a broker sees who connects.
${BLUETOOTH_HELP}`
    )
    .action(async (options: PeersOptions) => {
      const { group } = options
      if (group === undefined) throw cliErrors.create('ERR_CLI_USAGE', 'The devices of which group? Name it with --group')
      const wide = await beyond(options)
      const bluetooth = await bluetoothProviders(options)
      const local = options.lan ? [dnssd(options.interface === undefined ? {} : { interfaces: options.interface })] : []
      const providers = [...local, ...(wide?.providers ?? []), ...bluetooth]
      if (providers.length === 0) throw cliErrors.create('ERR_CLI_USAGE', '--no-lan needs --broker or one of the --ble options')
      const discovery = createPeerDiscovery({
        peerGroupId: group,
        localPeerId: wide?.peerId ?? randomBytes(32).toString('hex'),
        providers,
        logger: silentLogger
      })
      try {
        const enough = systemClock.sleep(options.seconds * 1000, { signal: io.signal }).catch(() => {
          /* Ctrl-C: list what is known */
        })
        // A broker that does not answer holds up nobody else.
        await Promise.race([discovery.startBrowsing().then(() => enough), enough])
        warnOfFailures(discovery, io)
        for (const device of discovery.devices) {
          const places = await Promise.all(
            device.peers.map(async (peer) => {
              const resolved = await peer.resolveUrl({ signal: AbortSignal.timeout(2000) }).catch(() => undefined)
              return { provider: peer.provider, service: peer.id, url: resolved?.url, addresses: resolved?.addresses ?? [] }
            })
          )
          if (options.json) jsonLine(io, { id: device.id, name: device.displayName, seen: places })
          else
            line(
              io,
              `${printable(device.displayName)}\t${device.id}\t${places.map((place) => `${place.provider} ${place.url ?? '(unresolved)'} ${place.addresses.join(' ')}`.trim()).join('; ')}`
            )
        }
        if (discovery.devices.length === 0 && !options.json) io.stderr.write(`nobody of group ${group} was found in ${options.seconds} s\n`)
      } finally {
        await discovery.shutdown()
      }
    })
  knownPeersCommands(command, io)
}

/** What looks at brokers, with an identity for this once, as nobody is let in by it. */
async function beyond(
  options: PeersOptions
): Promise<{ readonly peerId: string; readonly providers: readonly ProviderFactory[] } | undefined> {
  if (options.broker === undefined) {
    checkNoneNeedsBroker(options)
    return undefined
  }
  const { createIdentity, insecureAcceptAnyone } = await import('@kithmesh/identity')
  const identity = await createIdentity({ commonName: 'kithmesh peers' })
  return { peerId: identity.peerId, providers: [await brokerProvider(options, { identity, authenticator: insecureAcceptAnyone() })] }
}
