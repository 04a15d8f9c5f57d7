import { type Command, Option } from 'commander'
import {
  type Logger,
  type NetworkProbeFactory,
  type NetworkView,
  type ProviderFactory,
  type TransportFactory,
  errorCode
} from '@kithmesh/core/plugin'
import type { Authenticator, Identity } from '@kithmesh/identity'
import { type Login, givenLogin } from './credentials.ts'
import { cliErrors } from './errors.ts'
import type { Io } from './io.ts'
import { readNamedFile } from './named-file.ts'
import { parsePort, parseUserOption, repeat } from './options.ts'

/** What of a command's options concerns devices beyond this network. */
export interface WideAreaOptions {
  readonly broker?: readonly string[]
  readonly brokerCa?: readonly string[]
  readonly groupKeyFile?: string
  readonly stun?: readonly string[]
  readonly turn?: readonly string[]
  readonly turnUser?: Login
  readonly turnUserFile?: string
  readonly ntp?: readonly string[]
  readonly forwardedPort?: number
}

export interface WideAreaParts {
  readonly providers: readonly ProviderFactory[]
  readonly transports: readonly TransportFactory[]
  readonly network: NetworkProbeFactory | undefined
  /** Begins to measure the network's time, where servers were named, and again whenever the network changes. */
  start(network: NetworkView): Promise<void>
  stop(): Promise<void>
}

export const WIDE_AREA_HELP = `
Across the internet: devices that name the same --group and --broker find each other wherever they are. They connect directly, else
backwards, by TCP hole punching (--stun), or through a relay (--turn on one of the two). If nothing works, a table says why.
Documents are encrypted from device to device on every route. The broker sees names, addresses and who talks to whom; with
--group-key-file only who talks when. Strangers reach brokers and open ports, too: with --broker leave out --first-use and --insecure,
which let them in. Servers that are not named are not asked.`

/** Adds the options by which a command gets to a broker. */
export function addBrokerOptions(command: Command): Command {
  return command
    .option(
      '--broker <url>',
      'meet devices at this MQTT broker, too: mqtt:// mqtts:// ws:// wss://, login in the URL; repeatable, all are used',
      repeat(String)
    )
    .option('--broker-ca <file>', 'authority (PEM) of mqtts: and wss: brokers, instead of the usual ones; repeatable', repeat(String))
    .option(
      '--group-key-file <file>',
      'a key of the group, 12 characters or more, the same on all devices: encrypts what lies on the broker, and says who is accepted if nothing else does'
    )
}

/** Adds those, and the ones for connections to devices that were found there. */
export function addWideAreaOptions(command: Command): Command {
  return addServerOptions(command).option(
    '--forwarded-port <port>',
    'the router forwards this port of its outer address to --port; name both',
    parsePort
  )
}

/** Adds those for the servers that are asked. */
export function addServerOptions(command: Command): Command {
  return addBrokerOptions(command)
    .option(
      '--stun <uri>',
      'STUN server, stun:host[:port], that answers over UDP and TCP; needed for hole punching; name three, so that a wrong one is outvoted; repeatable',
      repeat(String)
    )
    .option(
      '--turn <uri>',
      'TURN server, turn:host[:port], turns:host or turn:host?transport=tcp: the relay when nothing else works; one of two devices needs one; repeatable',
      repeat(String)
    )
    .addOption(
      new Option(
        '--turn-user <user:password>',
        'login for all TURN servers (visible in the list of processes: better --turn-user-file)'
      ).argParser(parseUserOption)
    )
    .option('--turn-user-file <file>', 'the same, from the first line with user:password')
    .option('--ntp <host>', 'time server, to punch holes at one instant; optional; repeatable', repeat(String))
}

/** Options that mean nothing without `--broker`, by their names in {@link WideAreaOptions}. */
const NEED_BROKER = {
  brokerCa: '--broker-ca',
  groupKeyFile: '--group-key-file',
  stun: '--stun',
  turn: '--turn',
  turnUser: '--turn-user',
  turnUserFile: '--turn-user-file',
  ntp: '--ntp',
  forwardedPort: '--forwarded-port'
} as const

/**
 * Makes what the options ask for; nothing is started and nobody is contacted yet.
 * @throws ERR_CLI_USAGE for options that need others or cannot be understood; ERR_CLI_FILE
 */
export async function wideAreaParts(
  options: WideAreaOptions,
  parts: { readonly identity: Identity; readonly authenticator: Authenticator; readonly logger: Logger; readonly io: Io }
): Promise<WideAreaParts> {
  const { broker, stun = [], ntp = [], forwardedPort } = options
  if (broker === undefined) {
    checkNoneNeedsBroker(options)
    return { providers: [], transports: [], network: undefined, start: async () => {}, stop: async () => {} }
  }
  const { logger } = parts
  checkWideArea(options)
  const provider = await brokerProvider(options, parts)
  const servers = await namedRelays(options, parts.io)
  const { NetworkClock, holePunch, natProbe, reverse, turn } = await loadWideArea()
  const clock = ntp.length === 0 ? undefined : understood('--ntp', () => new NetworkClock({ servers: ntp, logger: logger.child('clock') }))
  clock?.addObserver({
    skewed: ({ offsetMs }) => {
      logger.warn(`This machine's clock is off by ${Math.round(offsetMs)} ms`)
    }
  })
  let unwatch = (): void => {}
  return {
    providers: [provider],
    transports: [
      understood('--forwarded-port', () => reverse(forwardedPort === undefined ? {} : { forwardedPort })),
      understood('--stun', () => holePunch({ stun, ...(clock === undefined ? {} : { clock }) })),
      understood('--turn', () => turn({ servers }))
    ],
    network: stun.length === 0 ? undefined : understood('--stun', () => natProbe({ servers: stun })),
    start: async (network) => {
      unwatch = network.onChange(() => {
        clock?.networkChanged()
      })
      await clock?.start()
    },
    stop: async () => {
      unwatch()
      await clock?.stop()
    }
  }
}

/**
 * Finds devices at the brokers of `--broker`.
 * @throws ERR_CLI_USAGE for options that cannot be understood; ERR_CLI_FILE
 */
export async function brokerProvider(
  options: WideAreaOptions,
  { identity, authenticator }: { readonly identity: Identity; readonly authenticator: Authenticator }
): Promise<ProviderFactory> {
  const { mqtt } = await import('@kithmesh/provider-mqtt')
  const named = await namedBrokers(options)
  const key = await groupKey(options)
  return understood('--broker', () => mqtt({ brokers: named, identity, authenticator, ...key }))
}

/** @throws ERR_CLI_USAGE for options that mean nothing without a broker */
export function checkNoneNeedsBroker(options: WideAreaOptions): void {
  const alone = Object.entries(NEED_BROKER).flatMap(([key, name]) => (options[key as keyof WideAreaOptions] === undefined ? [] : [name]))
  if (alone.length === 0) return
  throw cliErrors.create('ERR_CLI_USAGE', `${alone.join(' and ')} need${alone.length === 1 ? 's' : ''} --broker`, {
    hint: 'Devices on different networks meet at a broker before they connect; name one that all of them reach.'
  })
}

/** Loaded only where a broker is named: these take as long to load as all the rest of a command. */
async function loadWideArea() {
  const [{ NetworkClock }, { natProbe }, { holePunch }, { reverse }, { turn }] = await Promise.all([
    import('@kithmesh/network-clock'),
    import('@kithmesh/stun'),
    import('@kithmesh/transport-holepunch'),
    import('@kithmesh/transport-reverse'),
    import('@kithmesh/transport-turn')
  ])
  return { NetworkClock, holePunch, natProbe, reverse, turn }
}

const FORMS: Readonly<Record<string, string>> = {
  '--broker': 'Write mqtt://host, mqtts://host:port, ws://host/path or wss://user:password@host/path.',
  '--stun': 'Write stun:host or stun:host:port.',
  '--turn': 'Write turn:host, turn:host:port?transport=tcp or turns:host, and the login as --turn-user or --turn-user-file.',
  '--ntp': 'Write a host name or address, with :port if it is not 123.',
  '--forwarded-port': 'Write a port from 1 to 65535.'
}

/** Makes something of what was given with an option. @throws ERR_CLI_USAGE for what cannot be understood */
export function understood<T>(option: string, make: () => T): T {
  try {
    return make()
  } catch (error) {
    const given = error instanceof TypeError || ['ERR_STUN_URI', 'ERR_NTP_SERVER'].includes(errorCode(error) ?? '')
    if (!given) throw error
    throw cliErrors.create('ERR_CLI_USAGE', `${option}: ${(error as Error).message}`, { hint: FORMS[option] ?? '' })
  }
}

/** @throws ERR_CLI_USAGE for a login where none belongs */
export function checkWideArea({ stun = [], turn = [], ntp = [] }: WideAreaOptions): void {
  checkSecrets({ '--stun': stun, '--turn': turn, '--ntp': ntp })
}

/** @throws ERR_CLI_FILE, ERR_CLI_USAGE for a key that is too short */
export async function checkGroupKey(options: WideAreaOptions): Promise<void> {
  await groupKey(options)
}

/** Where no login belongs, one that is there all the same must not get into messages, which repeat what was given. */
function checkSecrets(options: Readonly<Record<string, readonly string[]>>): void {
  for (const [option, values] of Object.entries(options))
    if (values.some((value) => value.includes('@')))
      throw cliErrors.create('ERR_CLI_USAGE', `${option} takes no user name or password`, { hint: FORMS[option] ?? '' })
}

/** The brokers with the authorities they are judged by. @throws ERR_CLI_FILE */
export async function namedBrokers({ broker = [], brokerCa }: WideAreaOptions) {
  if (brokerCa === undefined) return broker
  const ca = await Promise.all(brokerCa.map(async (file) => (await readNamedFile(file)).toString('utf8')))
  return broker.map((url) => (/^(mqtts|wss):/.test(url) ? { url, trust: { mode: 'ca' as const, ca } } : url))
}

async function groupKey({ groupKeyFile }: WideAreaOptions): Promise<{ readonly groupKey?: string }> {
  if (groupKeyFile === undefined) return {}
  const text = (await readNamedFile(groupKeyFile)).toString('utf8').trim()
  if (text.length < 12) throw cliErrors.create('ERR_CLI_USAGE', `The passphrase in ${groupKeyFile} is shorter than 12 characters`)
  return { groupKey: text }
}

/** The TURN servers with the login for them. @throws ERR_CLI_USAGE without one, ERR_CLI_FILE */
export async function namedRelays({ turn: servers = [], turnUser, turnUserFile }: WideAreaOptions, io: Io) {
  if (servers.length === 0) return []
  const login = await givenLogin(
    { ...(turnUser === undefined ? {} : { user: turnUser }), ...(turnUserFile === undefined ? {} : { userFile: turnUserFile }) },
    { ...io, environment: {} }
  )
  if (login === undefined) throw cliErrors.create('ERR_CLI_USAGE', '--turn needs --turn-user or --turn-user-file')
  return servers.map((url) => ({ url, username: login.username, credential: login.password }))
}
