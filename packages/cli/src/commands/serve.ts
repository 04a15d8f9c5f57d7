import { hostname } from 'node:os'
import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import { lineLogger } from '@kithmesh/core'
import { type Identity, equalSecrets, loadIdentity, openOrCreateIdentity, passwordAuthenticator } from '@kithmesh/identity'
import { UrlEndpointListener } from '@kithmesh/replicator'
import { counted } from '../counted.ts'
import { type Login, USER_FILE_HELP, givenLogins, givenPassphrase } from '../credentials.ts'
import { cliErrors } from '../errors.ts'
import { type Io, jsonLine, line } from '../io.ts'
import { parseCollection, parsePort, parseUserOption, repeat } from '../options.ts'
import { readNamedFile } from '../named-file.ts'
import { noteRun, timestamp } from '../last-run.ts'
import { untilInterrupted } from '../until-interrupted.ts'
import { VERSIONING_HELP, type VersioningOptions, openVersioned, upgradeOption, versioningOption } from '../versioning.ts'

interface ServeOptions extends VersioningOptions {
  readonly port: number
  readonly host?: string
  readonly interface?: string
  readonly db?: string
  readonly user?: readonly Login[]
  readonly userFile?: string
  readonly tls: string
  readonly passphrase?: string
  readonly collection?: readonly { readonly scope: string; readonly name: string }[]
  readonly readOnly?: true
  readonly deltas?: true
  readonly verbose?: true
  readonly json?: true
}

export function serveCommand(parent: Command, io: Io): void {
  parent
    .command('serve')
    .description('let Couchbase Lite replicators, and "kithmesh replicate", push to and pull from a database directory')
    .argument('<dir>', 'database directory, made if missing')
    .requiredOption('--port <port>', 'TCP port; 0 picks one', parsePort)
    .option('--host <address>', 'listen on this address only, e.g. 127.0.0.1 (default: all)')
    .option('--interface <name>', 'listen on the addresses of this network interface only')
    .option('--db <name>', "name of the database in the URL (default: the directory's name)")
    .option('--user <user:password>', 'require this login; repeatable', repeat(parseUserOption))
    .option('--user-file <file>', USER_FILE_HELP)
    .option('--tls <mode>', 'off, self-signed, or a certificate with key: FILE.p12 or FILE.pem', 'self-signed')
    .option('--passphrase <text>', 'opens the .p12 file')
    .option(
      '--collection <name>',
      'make this collection if missing, and serve only those named; repeatable, default all',
      repeat(parseCollection)
    )
    .option('--read-only', 'peers may pull, pushes are refused')
    .option('--deltas', 'exchange what changed in a document instead of all of it, with peers that do so too')
    .addOption(versioningOption())
    .addOption(upgradeOption())
    .option('--verbose', 'log what happens below')
    .option('--json', 'print events as JSON lines; the first one has port and url')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh serve ./shop --port 4984 --db inventory
  kithmesh serve ./shop --port 4984 --db inventory --user anna:secret --tls server.p12 --passphrase pass
  kithmesh serve ./shop --port 0 --host 127.0.0.1 --tls off --json
  kithmesh serve ./new --port 4984 --versioning version-vectors     for clients of Couchbase Lite 4

Instead of --user and --passphrase, which other users of this machine can see in the list of processes, the variables KITHMESH_USER
(user:password) and KITHMESH_PASSPHRASE are read, and --user-file.
${VERSIONING_HELP}`
    )
    .action(async (directory: string, options: ServeOptions) => {
      const logger = lineLogger(
        (text) => {
          io.stderr.write(`${text}\n`)
        },
        options.verbose ? 'debug' : 'error'
      )
      const name = options.db ?? basename(resolve(directory))
      if (name === '' || name.includes('/'))
        throw cliErrors.create('ERR_CLI_USAGE', `${JSON.stringify(name)} cannot be the name of a database in a URL`, {
          hint: 'Choose one with --db.'
        })
      if (options.host !== undefined && options.interface !== undefined)
        throw cliErrors.create('ERR_CLI_USAGE', '--host and --interface exclude each other')
      const users = await givenLogins(options, io)
      const database = await openVersioned(directory, options, io, { logger })
      try {
        const tls = await chooseTls(directory, options, io)
        for (const each of options.collection ?? []) database.collection(each.name, each.scope, { create: true })
        const listener = new UrlEndpointListener({
          databases: { [name]: database },
          ...(options.collection === undefined ? {} : { collections: options.collection }),
          port: options.port,
          ...(options.host === undefined ? {} : { host: options.host }),
          ...(options.interface === undefined ? {} : { networkInterface: options.interface }),
          tls,
          authenticator:
            users === undefined
              ? 'insecure'
              : passwordAuthenticator((username, password) =>
                  users.some((user) => equalSecrets(user.username, username) && equalSecrets(user.password, password))
                ),
          readOnly: options.readOnly === true,
          deltas: options.deltas === true,
          logger
        })
        await listener.start()
        await noteRun(directory, 'serve', { at: timestamp(), accepts: users === undefined ? 'everybody' : 'named' })
        try {
          // A machine without a network has no address to name but its own.
          const urls =
            listener.urls.length > 0
              ? listener.urls
              : [`${tls === 'off' ? 'ws' : 'wss'}://localhost:${listener.port}/${encodeURIComponent(name)}`]
          if (users === undefined)
            io.stderr.write(`no --user: whoever reaches this port may ${options.readOnly === true ? 'read' : 'read and write'}\n`)
          if (options.json)
            jsonLine(io, { event: 'listening', port: listener.port, url: urls[0], urls, database: name, versioning: database.versioning })
          else line(io, `serving ${directory} at\n${urls.map((url) => `  ${url}`).join('\n')}`)
          let shown = ''
          listener.onStatus(({ connectionCount, activeConnectionCount }) => {
            const text = `${counted(connectionCount, 'connection')}, ${activeConnectionCount} active`
            if (text === shown) return
            shown = text
            if (options.json) jsonLine(io, { event: 'connections', connections: connectionCount, active: activeConnectionCount })
            else line(io, text)
          })
          await untilInterrupted(io)
        } finally {
          await listener.stop()
        }
        if (options.json) jsonLine(io, { event: 'stopped' })
      } finally {
        await database.close()
      }
    })
}

async function chooseTls(directory: string, options: ServeOptions, io: Io): Promise<'off' | Identity> {
  const { tls } = options
  const passphrase = givenPassphrase(options.passphrase, io)
  if (tls === 'off') return 'off'
  if (tls === 'self-signed') return await openOrCreateIdentity(directory, { commonName: hostname() })
  if (!/\.(p12|pfx|pem|crt|cer)$/i.test(tls)) throw cliErrors.create('ERR_CLI_USAGE', '--tls takes off, self-signed, FILE.p12 or FILE.pem')
  const file = await readNamedFile(tls)
  try {
    return await loadIdentity(/\.(p12|pfx)$/i.test(tls) ? { pkcs12: file, passphrase } : { pem: file.toString('utf8') })
  } catch (cause) {
    throw cliErrors.create(
      'ERR_CLI_FILE',
      `The certificate ${tls} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause, hint: 'It needs the certificate and its private key; --passphrase opens a .p12 file.' }
    )
  }
}
