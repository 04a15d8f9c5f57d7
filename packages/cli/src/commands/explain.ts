import type { Command } from 'commander'
import { type Device, type PeerDiscovery, createPeerDiscovery, formatDeviceAssessment, silentLogger, systemClock } from '@kithmesh/core'
import { insecureAcceptAnyone } from '@kithmesh/identity'
import { dnssd } from '@kithmesh/provider-dnssd'
import { direct } from '@kithmesh/transport-direct'
import { BLUETOOTH_HELP, type BluetoothOptions, addBluetoothOptions, bluetoothProviders } from '../bluetooth.ts'
import { cliErrors } from '../errors.ts'
import { findDevice } from '../explain/find-device.ts'
import { explainFromPage } from '../explain/from-page.ts'
import { printTrial } from '../explain/print-trial.ts'
import { type Trial, tryDevice } from '../explain/try-device.ts'
import { whoWeAre } from '../explain/who-we-are.ts'
import { type Io, jsonLine, line } from '../io.ts'
import { listenOn } from '../listen-on.ts'
import { parseCount, parsePort, repeat } from '../options.ts'
import { printable } from '../printable.ts'
import { warnOfFailures } from '../provider-failures.ts'
import { TRUST_HELP, type TrustOptions, addTrustOptions, groupKeyDecides } from '../trust/trust-options.ts'
import { readToken } from '../web.ts'
import { type WideAreaOptions, addWideAreaOptions, wideAreaParts } from '../wide-area.ts'

interface ExplainOptions extends WideAreaOptions, BluetoothOptions, TrustOptions {
  readonly group?: string
  readonly dir?: string
  readonly all?: true
  readonly dryRun?: true
  readonly from?: string
  readonly webTokenFile?: string
  readonly port: number
  readonly interface?: readonly string[]
  readonly seconds: number
  readonly lan: boolean
  readonly json?: true
}

/** For the race of all routes to one device; a relay is the slowest. */
const CONNECT_MS = 20_000
/** How long a whole measurement of the network is waited for: hole punching needs it. On a machine that is busy it is the second or third. */
const MEASURE_MS = 10_000
const MAX_DEVICES = 100

export function explainCommand(parent: Command, io: Io): void {
  const command = parent
    .command('explain')
    .description('find a device, connect to it without replicating, and say how, or why not')
    .argument('[device]', 'its name, or the first digits of its id')
    .option('--all', 'every device of the group that is found')
    .option('--group <id>', 'the group, as given to "sync"')
    .option('--dir <dir>', 'be the device that this database directory is, and trust whom it trusts (default: an identity for this once)')
    .option('--dry-run', 'connect to nobody: say what would be tried')
    .option('--from <url>', 'ask a running "sync --web" instead: the URL that it printed')
    .option(
      '--web-token-file <file>',
      'the token for --from, which other users of this machine could see in the URL: web-token of its database'
    )
    .option('--port <port>', 'TCP port to listen on meanwhile; 0 picks one', parsePort, 0)
    .option('--interface <name>', 'network interface or address to use; repeatable, default all', repeat(String))
    .option('--seconds <n>', 'how long to look', parseCount(1), 10)
    .option('--no-lan', 'do not look for devices on this network')
  addTrustOptions(command)
  addBluetoothOptions(addWideAreaOptions(command))
    .option('--json', 'print one JSON line per device')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh explain "Shop till" --group my-app
  kithmesh explain 3fb1 --group my-app --dir ./shop
  kithmesh explain --all --group my-app --json
  kithmesh explain till --from http://127.0.0.1:8080 --web-token-file ./shop/web-token
  kithmesh explain 3fb1 --group my-app --broker mqtts://broker.example.org --stun stun:stun.example.org --dir ./shop

Prints where the device is seen, every strategy and address with phase, time, code and hint, and what both sides think of each other. Give it
the options of your "sync". It ends with 0 when there was a connection, otherwise with 1. Documents are not exchanged, nothing is changed,
and this side is announced to nobody but the device itself, and the brokers that are named. It may run beside a "sync" on the same
directory; --from asks such a "sync" what it knows.

${TRUST_HELP}
${BLUETOOTH_HELP}`
    )
    .action(async (peer: string | undefined, options: ExplainOptions) => {
      const { group, from, webTokenFile } = options
      if ((peer === undefined) !== (options.all === true)) throw cliErrors.create('ERR_CLI_USAGE', 'Name one device, or take --all of them')
      if (from === undefined && webTokenFile !== undefined) throw cliErrors.create('ERR_CLI_USAGE', '--web-token-file is for --from')
      if (from !== undefined) {
        const token = webTokenFile === undefined ? undefined : await readToken(webTokenFile)
        complainOf(await explainFromPage(io, { address: from, token }, peer, options.json === true))
        return
      }
      if (group === undefined) throw cliErrors.create('ERR_CLI_USAGE', 'A device of which group? Name it with --group')
      const { identity, authenticator } = await whoWeAre(options)
      const closing: (() => Promise<unknown>)[] = []
      try {
        const own = authenticator ?? insecureAcceptAnyone()
        const wide = await wideAreaParts(withoutTrust(options), { identity, authenticator: own, logger: silentLogger, io })
        const interfaces = options.interface
        const local = options.lan ? [dnssd(interfaces === undefined ? {} : { interfaces })] : []
        const providers = [...local, ...wide.providers, ...(await bluetoothProviders(options))]
        if (providers.length === 0) throw cliErrors.create('ERR_CLI_USAGE', '--no-lan needs --broker or one of the --ble options')
        const discovery = createPeerDiscovery({
          peerGroupId: group,
          localPeerId: identity.peerId,
          providers,
          transports: [direct({ port: options.port, ...listenOn(interfaces) }), ...wide.transports],
          ...(wide.network === undefined ? {} : { network: wide.network }),
          logger: silentLogger
        })
        closing.push(
          () => wide.stop(),
          () => discovery.shutdown()
        )
        const over = new AbortController()
        const measured = firstMeasurement(discovery, wide.network !== undefined, AbortSignal.any([over.signal, io.signal]))
        closing.push(async () => {
          over.abort()
        })
        // Others connect back to this side for some of the routes.
        await discovery.listen({ onConnection: (socket) => socket.on('error', () => {}).destroy() })
        // What cannot be started is told when nobody is found.
        discovery.startBrowsing().catch(() => {})
        wide.start(discovery.network).catch(() => {})
        const devices = await wanted(discovery, peer, options, io)
        io.signal.throwIfAborted()
        await measured
        if (options.dryRun) {
          for (const device of devices) await printAssessment(discovery, device, io, options.json === true)
          return
        }
        const settings = { discovery, identity, authenticator, deadlineMs: CONNECT_MS, signal: io.signal }
        const trials: Trial[] = []
        for (const device of devices) {
          const trial = await tryDevice(device, settings)
          trials.push(trial)
          const facts = { json: options.json === true, own: options.dir !== undefined, network: discovery.network.current }
          if (trials.length > 1 && !facts.json) line(io, '')
          printTrial(io, trial, facts)
        }
        complainOf(trials.filter(({ connected }) => !connected).map(({ name }) => name))
      } finally {
        for (const close of closing.reverse()) await close().catch(() => {})
      }
    })
}

/** @throws ERR_CLI_NOT_CONNECTED */
function complainOf(names: readonly string[]): void {
  if (names.length > 0) throw cliErrors.create('ERR_CLI_NOT_CONNECTED', `There is no connection to ${names.map(printable).join(', ')}`)
}

async function wanted(discovery: PeerDiscovery, peer: string | undefined, options: ExplainOptions, io: Io): Promise<readonly Device[]> {
  const { seconds, group } = options
  if (peer === undefined) {
    await systemClock.sleep(seconds * 1000, { signal: io.signal }).catch(() => {})
    if (discovery.devices.length > 0) return discovery.devices.slice(0, MAX_DEVICES)
  } else {
    const device = await findDevice(discovery, peer, { withinMs: seconds * 1000, signal: io.signal })
    if (device !== undefined) return [device]
  }
  io.signal.throwIfAborted()
  warnOfFailures(discovery, io)
  const others = discovery.devices.map(({ displayName, id }) => `${printable(displayName)} (${id.slice(0, 12)})`)
  const who = peer === undefined ? 'Nobody' : `No device ${JSON.stringify(printable(peer))}`
  throw cliErrors.create('ERR_CLI_NO_PEER', `${who} of group ${printable(group ?? '')} was found in ${seconds} s`, {
    hint:
      others.length === 0
        ? 'Is it switched on, in the same group, and on the same network or broker? "kithmesh doctor --network" says what this machine can see.'
        : `These were found: ${others.slice(0, 10).join(', ')}.`
  })
}

async function printAssessment(discovery: PeerDiscovery, device: Device, io: Io, json: boolean): Promise<void> {
  const assessment = await discovery.assess(device, { signal: io.signal })
  if (json) jsonLine(io, { event: 'assessed', ...assessment })
  else line(io, formatDeviceAssessment(assessment).split('\n').map(printable).join('\n'))
}

/** A key that says who is accepted needs no broker. */
function withoutTrust(options: ExplainOptions): WideAreaOptions {
  if (!groupKeyDecides(options) || options.broker !== undefined) return options
  const { groupKeyFile: _, ...others } = options
  return others
}

/** Resolves when the network was measured to the end, or is not measured at all, or that takes too long. */
function firstMeasurement({ network }: PeerDiscovery, probes: boolean, signal: AbortSignal): Promise<unknown> {
  if (!probes) return Promise.resolve()
  return Promise.race([
    new Promise<void>((resolve) => {
      network.onChange(({ cutOff }) => {
        if (cutOff !== true) resolve()
      })
    }),
    systemClock.sleep(MEASURE_MS, { signal }).catch(() => {})
  ])
}
