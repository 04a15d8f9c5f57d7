import { hostname } from 'node:os'
import type { Command } from 'commander'
import { createPeerDiscovery, lineLogger } from '@kithmesh/core'
import { openOrCreateIdentity } from '@kithmesh/identity'
import { createMesh } from '@kithmesh/mesh'
import { dnssd } from '@kithmesh/provider-dnssd'
import { direct } from '@kithmesh/transport-direct'
import type { Io } from '../io.ts'
import { BLUETOOTH_HELP, type BluetoothOptions, addBluetoothOptions, bluetoothProviders } from '../bluetooth.ts'
import { cliErrors } from '../errors.ts'
import { listenOn } from '../listen-on.ts'
import { parseCollection, parsePort, repeat } from '../options.ts'
import { SyncReport } from '../sync-report.ts'
import { noteRun, timestamp } from '../last-run.ts'
import { openTrust } from '../trust/sync-trust.ts'
import { TRUST_HELP, type TrustOptions, acceptance, addTrustOptions, groupKeyDecides } from '../trust/trust-options.ts'
import { untilInterrupted } from '../until-interrupted.ts'
import { WEB_HELP, type WebOptions, addWebOptions, staysHere, webPage } from '../web.ts'
import { WIDE_AREA_HELP, type WideAreaOptions, addWideAreaOptions, wideAreaParts } from '../wide-area.ts'
import { VERSIONING_HELP, type VersioningOptions, openVersioned, upgradeOption, versioningOption } from '../versioning.ts'

interface SyncOptions extends VersioningOptions, WideAreaOptions, BluetoothOptions, TrustOptions, WebOptions {
  readonly group: string
  readonly name?: string
  readonly port: number
  readonly interface?: readonly string[]
  readonly collection?: readonly { readonly scope: string; readonly name: string }[]
  readonly lan: boolean
  readonly deltas?: true
  readonly verbose?: true
  readonly json?: true
}

export function syncCommand(parent: Command, io: Io): void {
  const command = parent
    .command('sync')
    .description('keep a database directory in sync with every device of a group, on this network, beyond it, and without any')
    .argument('<dir>', 'database directory, made if missing')
    .requiredOption('--group <id>', 'the group: devices with the same one find each other')
    .option('--name <name>', "what other people see (default: this machine's host name)")
    .option('--port <port>', 'TCP port to listen on; 0 picks one', parsePort, 0)
    .option('--interface <name>', 'network interface or address to use; repeatable, default all', repeat(String))
    .option(
      '--collection <name>',
      'replicate only this collection, made if missing; repeatable, default all that are there',
      repeat(parseCollection)
    )
  addTrustOptions(command)
    .option('--deltas', 'exchange what changed in a document instead of all of it, with devices that do so too')
    .addOption(versioningOption())
    .addOption(upgradeOption())
    .option('--no-lan', 'do not look for devices on this network, nor announce this one there')
  addWebOptions(addBluetoothOptions(addWideAreaOptions(command)))
    .option('--verbose', 'log what happens below')
    .option('--json', 'print events as JSON lines')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh sync ./shop --group my-app --pair
  kithmesh sync ./shop --group my-app --name "Shop till" --port 4984 --password-file ./password
  kithmesh sync ./shop --group my-app --trust 3fb1…64 hex digits
  kithmesh sync ./shop --group my-app                    with the devices that are known already
  kithmesh sync ./shop --group my-app --trust 3fb1… --broker mqtts://broker.example.org --stun stun:stun.example.org \\
    --turn turn:turn.example.org --turn-user-file turn-login
  kithmesh sync ./shop --group my-app --ble-adapter hci0
  kithmesh sync ./shop --group my-app --no-lan --ble-air 127.0.0.1:7300

${TRUST_HELP}
${WIDE_AREA_HELP}
${BLUETOOTH_HELP}
${WEB_HELP}
${VERSIONING_HELP}`
    )
    .action(async (directory: string, options: SyncOptions) => {
      const logger = lineLogger(
        (text) => {
          io.stderr.write(`${text}\n`)
        },
        options.verbose ? 'debug' : 'error'
      )
      acceptance(options)
      const database = await openVersioned(directory, options, io, { logger })
      const closing = [() => database.close()]
      try {
        const name = options.name ?? hostname()
        const identity = await openOrCreateIdentity(directory, { commonName: name })
        const { interface: interfaces, collection: collections } = options
        for (const each of collections ?? [{ scope: '_default', name: '_default' }])
          database.collection(each.name, each.scope, { create: true })
        const trust = await openTrust(directory, options, { io, logger })
        closing.push(() => trust.stop())
        const wide = await wideAreaParts(withoutTrust(options), { identity, authenticator: trust.authenticator, logger, io })
        const bluetooth = await bluetoothProviders(options)
        const local = options.lan ? [dnssd(interfaces === undefined ? {} : { interfaces })] : []
        // Who is found over Bluetooth alone is not dialled over a network, and needs no port to be open there.
        const overNetworks = [...local, ...wide.providers]
        if (overNetworks.length + bluetooth.length === 0)
          throw cliErrors.create('ERR_CLI_USAGE', '--no-lan needs --broker or one of the --ble options')
        const discovery = createPeerDiscovery({
          peerGroupId: options.group,
          localPeerId: identity.peerId,
          providers: [...overNetworks, ...bluetooth],
          transports: overNetworks.length === 0 ? [] : [direct({ port: options.port, ...listenOn(interfaces) }), ...wide.transports],
          ...(wide.network === undefined ? {} : { network: wide.network }),
          logger
        })
        const mesh = createMesh({
          discovery,
          database,
          identity,
          logger,
          authenticator: trust.authenticator,
          knownPeers: trust.known,
          revocations: trust.revocations,
          displayName: name,
          deltas: options.deltas === true,
          ...(collections === undefined ? {} : { collections: collections.map(({ scope, name: last }) => `${scope}.${last}`) })
        })
        const page = await webPage(options, { directory, mesh, discovery, database, displayName: name, logger })
        const report = new SyncReport(io, mesh, options.json === true)
        trust.watch(report, (peerId) => {
          // It was refused a moment ago; without this it would be tried again in a minute.
          mesh.release(peerId)
        })
        discovery.addObserver({
          statusChanged: (provider, _mode, status) => {
            report.provider(provider, status)
          },
          connectionReport: (attempted) => {
            report.attempted(attempted)
          }
        })
        let started = false
        const interrupted = untilInterrupted(io)
        try {
          // First, because a start that takes long is what people want to look at.
          await page?.start()
          if (page?.url !== undefined) report.web(page.url)
          if (!staysHere(options.web?.host))
            report.warn('Other machines can reach the page: its token and the documents cross the network unencrypted')
          const starting = Promise.all([mesh.start(), wide.start(discovery.network)]).then(() => {
            started = true
          })
          await Promise.race([starting, interrupted])
          if (started)
            report.started({ name, peerId: identity.peerId, group: options.group, port: mesh.port, versioning: database.versioning })
          else starting.catch(() => {})
          if (started && trust.warning !== undefined) report.warn(trust.warning)
          if (started) await noteRun(directory, 'sync', { at: timestamp(), group: options.group, accepts: acceptance(options) })
          await interrupted
        } finally {
          report.stopping()
          // A start that is under way ends with the discovery; brokers that do not answer would hold it up otherwise.
          const steps = [async () => page?.stop(), () => mesh.stop(), () => discovery.shutdown(), () => wide.stop()]
          if (!started) steps.unshift(() => discovery.shutdown())
          await everyStep(steps)
          if (started) report.stopped()
        }
      } finally {
        await everyStep(closing.reverse())
      }
    })
}

/** The options for what lies beyond this network: a key that says who is accepted needs no broker. */
function withoutTrust(options: SyncOptions): WideAreaOptions {
  if (!groupKeyDecides(options) || options.broker !== undefined) return options
  const { groupKeyFile: _, ...others } = options
  return others
}

/** One after the other, whatever fails. @throws the first failure */
async function everyStep(steps: ReadonlyArray<() => Promise<void>>): Promise<void> {
  const errors: unknown[] = []
  for (const step of steps) {
    try {
      await step()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw errors[0]
}
