import { watchFile, unwatchFile } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { addressKind, lineLogger } from '@kithmesh/core/plugin'
import type { Relay, RelayStatus } from '@kithmesh/relay'
import { type Login, USER_FILE_HELP, givenLogins } from '../credentials.ts'
import { cliErrors } from '../errors.ts'
import { type Io, jsonLine, line } from '../io.ts'
import { readNamedFile } from '../named-file.ts'
import { parseCount, parsePort, parseUserOption, repeat } from '../options.ts'
import { Progress } from '../progress.ts'
import { relayHosts } from '../relay/hosts.ts'
import { loginFile, readableByOthers, stateDirectory } from '../relay/login-file.ts'
import { statusLine } from '../relay/status-line.ts'
import { named, shellWord, syncOptions } from '../relay/sync-options.ts'
import { untilInterrupted } from '../until-interrupted.ts'

interface RelayCommandOptions {
  readonly host?: readonly string[]
  readonly publicAddress?: readonly string[]
  readonly name?: string
  readonly user?: readonly Login[]
  readonly userFile?: string
  readonly state?: string
  readonly showLogin?: true
  readonly cert?: string
  readonly key?: string
  readonly mqttPort?: number
  readonly stunPort?: number
  readonly alternateStunPort?: number
  readonly turnsPort?: number
  readonly relayPorts?: { readonly first: number; readonly last: number }
  readonly realm?: string
  readonly allowPeer?: readonly string[]
  readonly maxConnections?: number
  readonly maxAllocations?: number
  readonly rate?: number
  readonly verbose?: true
  readonly json?: true
}

const SHOW_MS = 1_000
const WATCH_MS = 5_000

export function relayCommand(parent: Command, io: Io): void {
  parent
    .command('relay')
    .description(
      'run a broker, a STUN server and a TURN server for your devices, so that they find and reach each other across the internet'
    )
    .option(
      '--host <address>',
      'address to listen on; a second one of the same family lets devices find out all about their NATs; repeatable (default: the best of this machine)',
      repeat(String)
    )
    .option(
      '--public-address <address>',
      'what the address of --host is outside, where a router in between translates it one to one; repeatable, in the order of --host',
      repeat(String)
    )
    .option('--name <host>', 'host name to print in place of addresses, as the certificate has it')
    .option(
      '--user <user:password>',
      'a login for the broker and TURN; repeatable (default: one that is made and kept)',
      repeat(parseUserOption)
    )
    .option('--user-file <file>', `${USER_FILE_HELP}; read again when it changes`)
    .option('--state <dir>', 'where the login is kept that is made when none is given (default: ~/.local/state/kithmesh/relay)')
    .option('--show-login', 'print the login that was made earlier')
    .option('--cert <file>', 'certificate chain (PEM): the broker speaks TLS then, and TURN is offered over TLS, too')
    .option('--key <file>', 'its private key (PEM)')
    .option('--mqtt-port <port>', 'of the broker (default: 1883, with --cert 8883)', parsePort)
    .option('--stun-port <port>', 'of STUN and TURN, UDP and TCP (default: 3478)', parsePort)
    .option('--alternate-stun-port <port>', 'the second one of STUN (default: 3479)', parsePort)
    .option('--turns-port <port>', 'of TURN over TLS (default: 5349)', parsePort)
    .option('--relay-ports <first-last>', 'of what is relayed, UDP and TCP; open them in the firewall (default: 49152-65535)', parseSpan)
    .option('--realm <text>', 'of the logins (default: kithmesh)')
    .option('--allow-peer <range>', 'relay to these private addresses, too, e.g. 192.168.1.0/24; repeatable', repeat(String))
    .option('--max-connections <n>', 'clients of the broker, and of STUN and TURN over TCP, at a time (default: 1000 each)', parseCount(1))
    .option('--max-allocations <n>', 'relays in use at a time, of all users together (default: 512)', parseCount(1))
    .option('--rate <bytes>', 'relay so many bytes per second for each user at most (default: no bound)', parseCount(1))
    .option('--verbose', 'log what happens below')
    .option('--json', 'print events as JSON lines; the first one has the addresses and the options for sync')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh relay                                               on a machine with a public address; prints what to give to sync
  kithmesh relay --host 203.0.113.10 --host 203.0.113.11       two addresses: NATs are classified in full
  kithmesh relay --host 10.0.0.5 --public-address 203.0.113.10 in a cloud that translates addresses one to one
  kithmesh relay --cert chain.pem --key key.pem --name relay.example.org --user-file users
  kithmesh relay --host 192.168.1.10 --allow-peer 192.168.1.0/24   for devices of one site only

Without --cert, logins for the broker cross the network as they are; what devices say to each other is signed and encrypted in any case.
Nothing is relayed to private, loopback or this machine's own addresses, unless --allow-peer says so. docs/relay.md has more, also on
running mosquitto, EMQX and coturn instead.`
    )
    .action(async (options: RelayCommandOptions) => {
      await runRelay(options, io)
    })
}

async function runRelay(options: RelayCommandOptions, io: Io): Promise<void> {
  const login = await chooseLogin(options, io)
  const relay = await makeRelay(options, login.users, io)
  await relay.start()
  const stopWatching = watchUsers(options, relay, io)
  try {
    announce(relay, options, login, io)
    const stopShowing = show(relay, options, io)
    await untilInterrupted(io)
    stopShowing()
  } finally {
    stopWatching()
    await relay.stop()
  }
  if (options.json) jsonLine(io, { event: 'stopped' })
}

interface ChosenLogin {
  readonly users: readonly Login[]
  /** The file with the one that was made, now or earlier. */
  readonly file?: string
  /** What may be printed. */
  readonly shown?: Login
}

async function chooseLogin(options: RelayCommandOptions, io: Io): Promise<ChosenLogin> {
  const { user, userFile, showLogin } = options
  const given = await givenLogins({ ...(user !== undefined && { user }), ...(userFile !== undefined && { userFile }) }, io)
  if (userFile !== undefined) await warnOfReaders(userFile, io)
  if (given !== undefined) return { users: given }
  const { path, made } = await loginFile(resolve(options.state ?? stateDirectory(io)))
  if (!made) await warnOfReaders(path, io)
  const users = (await givenLogins({ userFile: path }, io)) ?? []
  const [shown] = users
  return { users, file: path, ...((made || showLogin === true) && shown !== undefined && { shown }) }
}

async function warnOfReaders(path: string, io: Io): Promise<void> {
  if (await readableByOthers(path)) io.stderr.write(`warning: other users of this machine can read ${path}; "chmod 600" keeps them out\n`)
}

async function makeRelay(options: RelayCommandOptions, users: readonly Login[], io: Io): Promise<Relay> {
  const {
    host: given,
    publicAddress = [],
    cert,
    key,
    allowPeer,
    mqttPort,
    stunPort,
    alternateStunPort,
    turnsPort,
    relayPorts,
    realm
  } = options
  if ((cert === undefined) !== (key === undefined)) throw cliErrors.create('ERR_CLI_USAGE', '--cert and --key need each other')
  const addresses = given ?? relayHosts(networkInterfaces())
  if (publicAddress.length > addresses.length)
    throw cliErrors.create('ERR_CLI_USAGE', `There are ${publicAddress.length} --public-address for ${addresses.length} --host`)
  const host = addresses.map((address, index) => {
    const outside = publicAddress[index]
    return outside === undefined ? { address } : { address, publicAddress: outside }
  })
  const tls = cert === undefined || key === undefined ? undefined : { cert: await readNamedFile(cert), key: await readNamedFile(key) }
  const { createRelay } = await import('@kithmesh/relay')
  const { maxConnections, maxAllocations, rate } = options
  try {
    return createRelay({
      host,
      users,
      ...(tls !== undefined && { tls }),
      ...(mqttPort !== undefined && { mqttPort }),
      ...(stunPort !== undefined && { stunPort }),
      ...(alternateStunPort !== undefined && { alternateStunPort }),
      ...(turnsPort !== undefined && { turnsPort }),
      ...(relayPorts !== undefined && { relayPorts }),
      ...(realm !== undefined && { realm }),
      ...(allowPeer !== undefined && { allowPeers: allowPeer }),
      limits: {
        ...(maxConnections !== undefined && { connections: maxConnections, connectionsPerAddress: Math.min(256, maxConnections) }),
        ...(maxAllocations !== undefined && { allocations: maxAllocations, allocationsPerUser: maxAllocations }),
        ...(rate !== undefined && { relayedBytesPerSecond: rate })
      },
      logger: lineLogger(
        (text) => {
          io.stderr.write(`${text}\n`)
        },
        options.verbose ? 'debug' : 'warn'
      )
    })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    throw cliErrors.create('ERR_CLI_USAGE', error.message, { cause: error })
  }
}

function announce(relay: Relay, options: RelayCommandOptions, { file, shown, users }: ChosenLogin, io: Io): void {
  const urls = named(relay.urls, options.name)
  const words = syncOptions(urls, shown)
  if (options.json) {
    const login = { users: users.length, ...(file !== undefined && { loginFile: file }), ...(shown !== undefined && { login: shown }) }
    jsonLine(io, { event: 'listening', ...urls, ...login, options: words })
  } else {
    line(io, `broker  ${urls.brokers.join('  ')}\nSTUN    ${urls.stun.join('  ')}\nTURN    ${urls.turn.join('  ')}`)
    if (shown !== undefined)
      line(
        io,
        `login   ${shown.username}:${shown.password}   kept in ${file}${options.showLogin ? '' : ', and not shown again without --show-login'}`
      )
    else line(io, `login   ${file === undefined ? `${users.length} given` : `in ${file}; --show-login prints it`}`)
    line(io, `\nOn each device:\n  kithmesh sync DIR --group NAME ${pairs(words.map(shellWord))}\n`)
  }
  if (options.cert === undefined) io.stderr.write('warning: without --cert, logins for the broker cross the network as they are\n')
  else if (!options.json) line(io, 'Where the certificate is not of a public authority, add --broker-ca FILE on each device.')
  warnOfPrivateHosts(relay, options, io)
}

/** Option and value side by side, a line for each. */
function pairs(words: readonly string[]): string {
  return words.flatMap((word, index) => (index % 2 === 0 ? [`${word} ${words[index + 1]}`] : [])).join(' \\\n    ')
}

function warnOfPrivateHosts({ urls }: Relay, { allowPeer }: RelayCommandOptions, io: Io): void {
  const address =
    urls.stun.map((url) =>
      url
        .slice('stun:'.length)
        .replace(/:\d+$/, '')
        .replace(/^\[|\]$/g, '')
    )[0] ?? ''
  const kind = addressKind(address)?.kind
  if (kind === 'global' || allowPeer !== undefined) return
  io.stderr.write(
    kind === 'loopback'
      ? `warning: ${address} is reached from this machine only; name another address with --host\n`
      : `warning: ${address} is a private address: devices on its network are not relayed to without --allow-peer RANGE\n`
  )
}

/** Shows what goes on until the returned function is called. */
function show(relay: Relay, options: RelayCommandOptions, io: Io): () => void {
  const progress = new Progress(io)
  let last = ''
  const look = (): void => {
    const { status } = relay
    if (options.json) {
      const changed = JSON.stringify(eventOf(status))
      if (changed !== last) jsonLine(io, eventOf(status))
      last = changed
    } else progress.update(() => statusLine(status))
  }
  look()
  const timer = setInterval(look, SHOW_MS)
  return () => {
    clearInterval(timer)
    progress.clear()
  }
}

function eventOf(status: RelayStatus): object {
  return { event: 'status', ...status }
}

/** Takes the users of a file again when it changes; a file that cannot be used leaves everything as it is. */
function watchUsers({ user = [], userFile }: RelayCommandOptions, relay: Relay, io: Io): () => void {
  if (userFile === undefined) return () => {}
  const changed = (): void => {
    givenLogins({ user, userFile }, io)
      .then((users) => {
        if (users !== undefined) relay.setUsers(users)
      })
      .catch((error: unknown) => {
        io.stderr.write(`warning: ${userFile} changed and cannot be used: ${error instanceof Error ? error.message : String(error)}\n`)
      })
  }
  watchFile(userFile, { interval: WATCH_MS }, changed)
  return () => {
    unwatchFile(userFile, changed)
  }
}

function parseSpan(text: string): { readonly first: number; readonly last: number } {
  const [, first = '', last = ''] = /^(\d{1,5})-(\d{1,5})$/.exec(text) ?? []
  if (first === '') throw cliErrors.create('ERR_CLI_USAGE', `${text} is no range of ports: write 49152-65535`)
  return { first: Number(first), last: Number(last) }
}
