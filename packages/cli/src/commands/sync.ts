import { hostname, networkInterfaces } from 'node:os'
import type { Command } from 'commander'
import { createPeerDiscovery, lineLogger } from '@kithmesh/core'
import {
  type Authenticator,
  insecureAcceptAnyone,
  openOrCreateIdentity,
  pinnedPeers,
  trustOnFirstUse,
  trustedAuthorities
} from '@kithmesh/identity'
import { createMesh } from '@kithmesh/mesh'
import { dnssd } from '@kithmesh/provider-dnssd'
import { direct } from '@kithmesh/transport-direct'
import type { Io } from '../io.ts'
import { cliErrors } from '../error-catalogue.ts'
import { readNamedFile } from '../named-file.ts'
import { parseCollection, parsePort, repeat } from '../options.ts'
import { reportRefusals } from '../refusals.ts'
import { SyncReport } from '../sync-report.ts'
import { knownPeersFile } from '../known-peers.ts'
import { untilInterrupted } from '../until-interrupted.ts'
import { WIDE_AREA_HELP, type WideAreaOptions, addWideAreaOptions, wideAreaParts } from '../wide-area.ts'
import { VERSIONING_HELP, type VersioningOptions, openVersioned, upgradeOption, versioningOption } from '../versioning.ts'

interface SyncOptions extends VersioningOptions, WideAreaOptions {
  readonly group: string
  readonly name?: string
  readonly port: number
  readonly interface?: readonly string[]
  readonly collection?: readonly { readonly scope: string; readonly name: string }[]
  readonly trust?: readonly string[]
  readonly ca?: readonly string[]
  readonly insecure?: true
  readonly lan: boolean
  readonly deltas?: true
  readonly verbose?: true
  readonly json?: true
}

export function syncCommand(parent: Command, io: Io): void {
  const command = parent
    .command('sync')
    .description('keep a database directory in sync with every device of a group, on this network and beyond')
    .argument('<dir>', 'database directory, made if missing')
    .requiredOption('--group <id>', 'the peer group: devices with the same one find each other')
    .option('--name <name>', "what other people see (default: this machine's host name)")
    .option('--port <port>', 'TCP port to listen on; 0 picks one', parsePort, 0)
    .option('--interface <name>', 'network interface or address to use; repeatable, default all', repeat(String))
    .option(
      '--collection <name>',
      'replicate only this collection, made if missing; repeatable, default all that are there',
      repeat(parseCollection)
    )
    .option('--trust <peer-id>', 'accept only devices with this id of 64 hex digits; repeatable', repeat(String))
    .option('--ca <file>', 'accept only devices certified by this authority (PEM); repeatable', repeat(String))
    .option('--insecure', 'accept every device of the group, each time anew')
    .option('--deltas', 'exchange what changed in a document instead of all of it, with devices that do so too')
    .addOption(versioningOption())
    .addOption(upgradeOption())
    .option('--no-lan', 'do not look for devices on this network, nor announce this one there')
  addWideAreaOptions(command)
    .option('--verbose', 'log what happens below')
    .option('--json', 'print events as JSON lines')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh sync ./shop --group my-app
  kithmesh sync ./shop --group my-app --name "Shop till" --port 4984
  kithmesh sync ./shop --group my-app --trust 3fb1…64 hex digits
  kithmesh sync ./shop --group my-app --trust 3fb1… --broker mqtts://broker.example.org --stun stun:stun.example.org \\
    --turn turn:turn.example.org --turn-user-file turn-login

Who is accepted: without --trust, --ca or --insecure the first device of a name is remembered in DIR/known-peers.json, and
another one that comes under the same name later is refused: delete the name from that file to accept it. Your own id is
printed at the start, and --trust takes those of the others.
${WIDE_AREA_HELP}
${VERSIONING_HELP}`
    )
    .action(async (directory: string, options: SyncOptions) => {
      const logger = lineLogger(
        (text) => {
          io.stderr.write(`${text}\n`)
        },
        options.verbose ? 'debug' : 'error'
      )
      const database = await openVersioned(directory, options, io, { logger })
      try {
        const name = options.name ?? hostname()
        const identity = await openOrCreateIdentity(directory, { commonName: name })
        const { interface: interfaces, collection: collections } = options
        for (const each of collections ?? [{ scope: '_default', name: '_default' }])
          database.collection(each.name, each.scope, { create: true })
        const refusals = reportRefusals(await chooseAuthenticator(directory, options))
        const wide = await wideAreaParts(options, { identity, authenticator: refusals.authenticator, logger, io })
        const local = options.lan ? [dnssd(interfaces === undefined ? {} : { interfaces })] : []
        if (local.length + wide.providers.length === 0) throw cliErrors.create('ERR_CLI_USAGE', '--no-lan needs --broker')
        const discovery = createPeerDiscovery({
          peerGroupId: options.group,
          localPeerId: identity.peerId,
          providers: [...local, ...wide.providers],
          transports: [direct({ port: options.port, ...listenOn(interfaces) }), ...wide.transports],
          ...(wide.network === undefined ? {} : { network: wide.network }),
          logger
        })
        const mesh = createMesh({
          discovery,
          database,
          identity,
          logger,
          authenticator: refusals.authenticator,
          displayName: name,
          deltas: options.deltas === true,
          ...(collections === undefined ? {} : { collections: collections.map(({ scope, name: last }) => `${scope}.${last}`) })
        })
        const report = new SyncReport(io, mesh, options.json === true)
        if (options.broker !== undefined && options.trust === undefined && options.ca === undefined && options.insecure === undefined)
          report.warn('Everybody who knows the group and the broker is accepted under a new name: --trust or --ca says who may come.')
        refusals.onRefused = (refusal) => {
          report.refused(refusal)
        }
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
          const starting = Promise.all([mesh.start(), wide.start(discovery.network)]).then(() => {
            started = true
          })
          await Promise.race([starting, interrupted])
          if (started)
            report.started({ name, peerId: identity.peerId, group: options.group, port: mesh.port, versioning: database.versioning })
          else starting.catch(() => {})
          await interrupted
        } finally {
          report.stopping()
          // A start that is under way ends with the discovery; brokers that do not answer would hold it up otherwise.
          const steps = [() => mesh.stop(), () => discovery.shutdown(), () => wide.stop()]
          if (!started) steps.unshift(() => discovery.shutdown())
          await everyStep(steps)
          if (started) report.stopped()
        }
      } finally {
        await database.close()
      }
    })
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

async function chooseAuthenticator(directory: string, options: SyncOptions): Promise<Authenticator> {
  const { insecure, ca, trust } = options
  if ([insecure, ca, trust].filter((each) => each !== undefined).length > 1)
    throw cliErrors.create('ERR_CLI_USAGE', 'Only one of --trust, --ca and --insecure can be given')
  if (insecure) return insecureAcceptAnyone()
  if (ca !== undefined) return trustedAuthorities(await Promise.all(ca.map(async (file) => (await readNamedFile(file)).toString('utf8'))))
  if (trust === undefined) return trustOnFirstUse(knownPeersFile(directory))
  const wrong = trust.find((id) => !/^[0-9a-f]{64}$/i.test(id))
  if (wrong !== undefined)
    throw cliErrors.create('ERR_CLI_USAGE', `--trust takes a peer id of 64 hexadecimal digits, not ${JSON.stringify(wrong)}`, {
      hint: 'Each device prints its own id when "kithmesh sync" starts.'
    })
  return pinnedPeers(trust)
}

/**
 * Restricted to loopback, the port is too, on every address of it that is advertised; otherwise it is open on all addresses, because those
 * of other interfaces change.
 */
function listenOn(interfaces: readonly string[] | undefined): { readonly interfaces?: readonly string[] } {
  return interfaces?.every(isLoopback) === true ? { interfaces } : {}
}

function isLoopback(networkInterface: string): boolean {
  if (networkInterface === '::1' || /^127\./.test(networkInterface)) return true
  const addresses = networkInterfaces()[networkInterface] ?? []
  return addresses.length > 0 && addresses.every(({ internal }) => internal)
}
