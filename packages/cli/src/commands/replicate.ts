import type { Command } from 'commander'
import { lineLogger } from '@kithmesh/core'
import type { ServerTrust } from '@kithmesh/identity'
import { type DocumentEvent, Replicator, urlEndpoint } from '@kithmesh/replicator'
import { counted } from '../counted.ts'
import { type Login, USER_FILE_HELP, givenLogin } from '../credentials.ts'
import { cliErrors } from '../errors.ts'
import { type Io, jsonLine } from '../io.ts'
import { parseCollection, parseCount, parseUserOption, repeat } from '../options.ts'
import { readNamedFile } from '../named-file.ts'
import { Progress } from '../progress.ts'
import { VERSIONING_HELP, type VersioningOptions, openVersioned, upgradeOption, versioningOption } from '../versioning.ts'

interface ReplicateOptions extends VersioningOptions {
  readonly push?: true
  readonly pull?: true
  readonly continuous?: true
  readonly user?: Login
  readonly userFile?: string
  readonly interface?: string
  readonly pin?: string
  readonly ca?: string
  readonly selfSigned?: true
  readonly insecure?: true
  readonly collection?: readonly { readonly scope: string; readonly name: string }[]
  readonly doc?: readonly string[]
  readonly header?: readonly (readonly [string, string])[]
  readonly attempts?: number
  readonly reset?: true
  readonly deltas: boolean
  readonly verbose?: true
  readonly json?: true
}

export function replicateCommand(parent: Command, io: Io): void {
  parent
    .command('replicate')
    .description('push to and pull from a listener: "kithmesh serve", Couchbase Lite or Sync Gateway')
    .argument('<dir>', 'database directory, made if missing')
    .argument('<url>', 'ws://host:port/name or wss://host:port/name')
    .option('--push', 'only push')
    .option('--pull', 'only pull')
    .option('--continuous', 'stay connected until Ctrl-C')
    .option('--user <user:password>', 'log in', parseUserOption)
    .option('--user-file <file>', USER_FILE_HELP)
    .option('--interface <name>', 'connect from this network interface, or address of this machine')
    .option('--pin <file>', 'accept only the server with this certificate (PEM or DER)')
    .option('--ca <file>', 'accept only servers certified by this authority (PEM)')
    .option('--self-signed', 'accept any server with a self-signed certificate')
    .option('--insecure', 'accept any server')
    .option('--collection <name>', 'replicate this collection; repeatable, default the default collection', repeat(parseCollection))
    .option('--doc <id>', 'replicate only this document; repeatable', repeat(String))
    .option('--header <name:value>', 'add a header to the upgrade request; repeatable', repeat(parseHeader))
    .option('--attempts <n>', 'give up after failing to connect so often (default 10; with --continuous never)', parseCount(1))
    .option('--no-deltas', 'always send and ask for whole documents')
    .option('--reset', 'forget the checkpoint and compare everything anew')
    .addOption(versioningOption())
    .addOption(upgradeOption())
    .option('--verbose', 'log what happens below')
    .option('--json', 'print events as JSON lines, a summary last')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh replicate ./copy ws://127.0.0.1:4984/inventory
  kithmesh replicate ./copy wss://shop.local:4984/inventory --pull --continuous --pin shop.pem --user anna:secret
  kithmesh replicate ./new ws://phone.local:4984/inventory --versioning version-vectors     with Couchbase Lite 4

Instead of --user, which other users of this machine can see in the list of processes, the variable KITHMESH_USER (user:password) is
read, and --user-file.
${VERSIONING_HELP}`
    )
    .action(async (directory: string, url: string, options: ReplicateOptions) => {
      const logger = lineLogger(
        (text) => {
          io.stderr.write(`${text}\n`)
        },
        options.verbose ? 'debug' : 'error'
      )
      const login = await givenLogin(options, io)
      const endpoint = urlEndpoint(checkUrl(url, options), {
        ...(await chooseTrust(options)),
        ...(login === undefined ? {} : { basicAuth: login }),
        ...(options.interface === undefined ? {} : { networkInterface: options.interface }),
        ...(options.header === undefined ? {} : { headers: Object.fromEntries(options.header) })
      })
      const database = await openVersioned(directory, options, io, {
        logger,
        createIfMissing: options.push !== true || options.pull === true
      })
      try {
        const collections = (options.collection ?? [{ scope: '_default', name: '_default' }]).map((each) => {
          database.collection(each.name, each.scope, { create: true })
          return { ...each, ...(options.doc === undefined ? {} : { documentIds: options.doc }) }
        })
        const replicator = new Replicator({
          database,
          endpoint,
          collections,
          type: options.push === options.pull ? 'push-and-pull' : options.push ? 'push' : 'pull',
          continuous: options.continuous === true,
          deltas: options.deltas,
          ...(options.attempts === undefined ? {} : { maxAttempts: options.attempts }),
          logger
        })
        await follow(replicator, io, options)
      } finally {
        await database.close()
      }
    })
}

async function follow(replicator: Replicator, io: Io, options: ReplicateOptions): Promise<void> {
  const progress = new Progress(io)
  const startedAt = performance.now()
  let failedDocuments = 0
  let lastError: string | undefined
  const onDocuments = (events: readonly DocumentEvent[]): void => {
    for (const event of events) {
      if (event.error !== undefined) {
        failedDocuments++
        progress.clear()
        io.stderr.write(`${event.direction} ${event.id}: ${event.error.message} [${event.error.code}]\n`)
      }
      if (options.json && options.continuous)
        jsonLine(io, {
          event: 'document',
          direction: event.direction,
          id: event.id,
          rev: event.revId,
          deleted: event.deleted,
          error: event.error?.message
        })
    }
    progress.update(
      () => `${replicator.status.activity}  ${replicator.status.progress.documents} of ${replicator.status.progress.total} documents`
    )
  }
  replicator.onDocuments(onDocuments)
  replicator.onStatus((status) => {
    if (options.json && options.continuous)
      jsonLine(io, {
        event: 'status',
        activity: status.activity,
        ...status.progress,
        error: status.error?.message,
        code: status.error?.code
      })
    else if (status.error !== undefined && status.activity === 'offline' && status.error.message !== lastError) {
      progress.clear()
      lastError = status.error.message
      io.stderr.write(`${status.error.message}; trying again\n`)
    }
  })
  const stop = (): void => {
    void replicator.stop()
  }
  if (io.signal.aborted) return
  io.signal.addEventListener('abort', stop, { once: true })
  replicator.start({ reset: options.reset === true })
  const { error } = await replicator.finished()
  io.signal.removeEventListener('abort', stop)
  progress.clear()
  const { documentsPushed, documentsPulled, blobsPushed, blobsPulled, conflictsResolved } = replicator.statistics
  const seconds = (performance.now() - startedAt) / 1000
  if (options.json)
    jsonLine(io, {
      event: 'finished',
      pushed: documentsPushed,
      pulled: documentsPulled,
      blobsPushed,
      blobsPulled,
      conflicts: conflictsResolved,
      failed: failedDocuments,
      seconds: Math.round(seconds * 1000) / 1000,
      error: error?.message,
      code: error?.code
    })
  else
    io.stdout.write(
      `${counted(documentsPushed, 'document')} pushed, ${documentsPulled} pulled, ${counted(blobsPushed + blobsPulled, 'blob')}, ${failedDocuments} failed in ${seconds.toFixed(1)} s\n`
    )
  if (error !== undefined) throw error
  if (failedDocuments > 0 && options.continuous !== true)
    throw cliErrors.create('ERR_CLI_REPLICATION', `${counted(failedDocuments, 'document')} could not be replicated`, {
      hint: 'The lines above say why.'
    })
}

function checkUrl(text: string, options: ReplicateOptions): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || (url.protocol !== 'ws:' && url.protocol !== 'wss:') || url.pathname === '/') {
    throw cliErrors.create(
      'ERR_CLI_USAGE',
      `${JSON.stringify(text)} is not the URL of a database: ws://host:port/name or wss://host:port/name`
    )
  }
  if (url.protocol === 'ws:' && trustOptions(options).length > 0)
    throw cliErrors.create('ERR_CLI_USAGE', '--pin, --ca, --self-signed and --insecure are about TLS, and ws: has none; write wss:')
  return url
}

function trustOptions({ pin, ca, selfSigned, insecure }: ReplicateOptions): unknown[] {
  return [pin, ca, selfSigned, insecure].filter((each) => each !== undefined)
}

async function chooseTrust(options: ReplicateOptions): Promise<{ readonly trust?: ServerTrust }> {
  if (trustOptions(options).length > 1)
    throw cliErrors.create('ERR_CLI_USAGE', 'Only one of --pin, --ca, --self-signed and --insecure can be given')
  if (options.pin !== undefined) return { trust: { mode: 'pinned', certificate: pemOrDer(await readNamedFile(options.pin)) } }
  if (options.ca !== undefined) return { trust: { mode: 'ca', ca: [(await readNamedFile(options.ca)).toString('utf8')] } }
  if (options.selfSigned) return { trust: { mode: 'self-signed' } }
  if (options.insecure) return { trust: { mode: 'insecure' } }
  return {}
}

function pemOrDer(file: Buffer): string | Buffer {
  return file.includes('-----BEGIN CERTIFICATE-----') ? file.toString('utf8') : file
}

function parseHeader(text: string): [string, string] {
  const colon = text.indexOf(':')
  if (colon < 1) throw cliErrors.create('ERR_CLI_USAGE', '--header takes name:value')
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
}
