import type { Clock } from './contracts/clock.ts'
import type { DialPolicy } from './contracts/incoming.ts'
import type { Logger } from './contracts/logger.ts'
import type { NetworkProbeFactory } from './contracts/network.ts'
import { PROVIDER_CONTRACT_VERSION } from './contracts/provider.ts'
import type { ProviderFactory } from './contracts/provider.ts'
import { TRANSPORT_CONTRACT_VERSION } from './contracts/transport.ts'
import type { TransportFactory } from './contracts/transport.ts'
import { createDialPolicy } from './dial-policy.ts'
import { coreErrors } from './errors.ts'
import { checkPeerGroupId } from './group-id.ts'
import { safeLogger, silentLogger } from './loggers.ts'
import { isPeerId } from './peer-id.ts'
import { systemClock } from './system-clock.ts'
import type { Rate } from './token-bucket.ts'
import { AccessLists } from './trust/access-lists.ts'

/** What {@link createPeerDiscovery} composes. */
export interface PeerDiscoveryOptions {
  /** Names the application's peers: 1–63 bytes of UTF-8 without `,` `\` and control characters, e.g. `com.example.shop`. */
  readonly peerGroupId: string
  /** This device's peer id: SHA-256 of its identity certificate, 64 lowercase hex digits. */
  readonly localPeerId: string
  /** The discovery protocols, at least one: `[dnssd()]`. */
  readonly providers: readonly ProviderFactory[]
  /** The ways to connect, `[direct()]`. Without any, only providers with sockets of their own can connect. @default [] */
  readonly transports?: readonly TransportFactory[]
  /** Finds out what lies between this machine and the internet, e.g. the NAT probe of `@kithmesh/stun`. Without it nothing is known of that, and everything is tried. */
  readonly network?: NetworkProbeFactory
  /** Which addresses this device may connect to because a peer asked it to. @default createDialPolicy() */
  readonly dialPolicy?: DialPolicy
  /**
   * Who may connect to this device and be connected to; its rules may be changed at any time. @default empty lists, see `discovery.access`
   */
  readonly access?: AccessLists
  /**
   * How often one address (of IPv6: one network of 64 bits) may connect to the listeners, this machine's own included. Others do not suffer
   * from one that comes too often. @default 512 at once, 1200 per minute
   */
  readonly acceptRate?: Rate
  /** @default silentLogger */
  readonly logger?: Logger
  /** @default systemClock */
  readonly clock?: Clock
}

export interface CheckedOptions {
  readonly peerGroupId: string
  readonly localPeerId: string
  readonly providers: readonly ProviderFactory[]
  readonly transports: readonly TransportFactory[]
  readonly network: NetworkProbeFactory | undefined
  readonly dialPolicy: DialPolicy
  readonly access: AccessLists
  readonly acceptRate: Rate
  readonly logger: Logger
  readonly clock: Clock
}

/** A whole group behind one NAT may come at once; in the long run, handshakes of one address take a small part of a processor. */
const ACCEPT_RATE: Rate = { burst: 512, perMinute: 1_200 }

const providerCapabilities = [
  'publishes',
  'metadata',
  'metadataUpdates',
  'reportsDisappearance',
  'suppliesSocketFactory',
  'incomingConnections'
] as const
const transportCapabilities = ['listens', 'relayed'] as const

/**
 * Copies the options and refuses unusable ones, before anything is created.
 * @throws ERR_PD_GROUP_ID, ERR_PD_PEER_ID, ERR_PD_NO_PROVIDERS, ERR_PD_INVALID_PROVIDER, ERR_PD_INVALID_TRANSPORT,
 * ERR_PD_CONTRACT_VERSION, ERR_PD_DUPLICATE_PROVIDER, ERR_PD_DUPLICATE_TRANSPORT; TypeError when there are no options.
 */
export function checkOptions(options: PeerDiscoveryOptions): CheckedOptions {
  if (typeof options !== 'object' || options === null) throw new TypeError('createPeerDiscovery needs options')
  const peerGroupId = checkPeerGroupId(options.peerGroupId)
  if (!isPeerId(options.localPeerId)) throw coreErrors.create('ERR_PD_PEER_ID', 'localPeerId is not a peer id of 64 lowercase hex digits')
  if (!Array.isArray(options.providers))
    throw coreErrors.create('ERR_PD_INVALID_PROVIDER', 'providers is not an array of provider factories')
  if (options.providers.length === 0) throw coreErrors.create('ERR_PD_NO_PROVIDERS', 'The list of providers is empty')
  const transports = options.transports ?? []
  if (!Array.isArray(transports)) throw coreErrors.create('ERR_PD_INVALID_TRANSPORT', 'transports is not an array of transport factories')
  for (const factory of options.providers) {
    checkFactory(factory, {
      kind: 'provider',
      code: 'ERR_PD_INVALID_PROVIDER',
      version: PROVIDER_CONTRACT_VERSION,
      capabilities: providerCapabilities
    })
  }
  for (const factory of transports) {
    checkFactory(factory, {
      kind: 'transport',
      code: 'ERR_PD_INVALID_TRANSPORT',
      version: TRANSPORT_CONTRACT_VERSION,
      capabilities: transportCapabilities
    })
  }
  const twice = duplicate(options.providers.map(({ name }) => name))
  if (twice !== undefined) throw coreErrors.create('ERR_PD_DUPLICATE_PROVIDER', `There are two providers named ${JSON.stringify(twice)}`)
  const routes = [...transports, ...options.providers.filter(({ capabilities }) => capabilities.suppliesSocketFactory)]
  const twiceRoute = duplicate(routes.map(({ name }) => name))
  if (twiceRoute !== undefined)
    throw coreErrors.create('ERR_PD_DUPLICATE_TRANSPORT', `There are two routes named ${JSON.stringify(twiceRoute)}`)
  const logger = safeLogger(options.logger ?? silentLogger)
  return Object.freeze({
    peerGroupId,
    localPeerId: options.localPeerId,
    providers: Object.freeze([...options.providers]),
    transports: Object.freeze([...transports]),
    network: options.network,
    dialPolicy: options.dialPolicy ?? createDialPolicy({ clock: options.clock ?? systemClock }),
    access: checkAccess(options.access, logger),
    acceptRate: options.acceptRate ?? ACCEPT_RATE,
    logger,
    clock: options.clock ?? systemClock
  })
}

function checkAccess(access: AccessLists | undefined, logger: Logger): AccessLists {
  if (access === undefined) return new AccessLists({ logger })
  if (typeof access?.refuses !== 'function' || typeof access.onChange !== 'function')
    throw new TypeError('access is not an AccessLists; AccessLists.from reads stored ones')
  return access
}

interface Shape {
  readonly kind: string
  readonly code: 'ERR_PD_INVALID_PROVIDER' | 'ERR_PD_INVALID_TRANSPORT'
  readonly version: number
  readonly capabilities: readonly string[]
}

function checkFactory(factory: unknown, { kind, code, version, capabilities }: Shape): void {
  if (typeof factory !== 'object' || factory === null) {
    throw coreErrors.create(
      code,
      `A ${kind} factory is ${factory === null ? 'null' : `a ${typeof factory}`} instead of an object${typeof factory === 'function' ? '; it may have to be called first' : ''}`
    )
  }
  const { name, contractVersion, create, capabilities: declared } = factory as Record<string, unknown>
  if (typeof name !== 'string' || name === '') throw coreErrors.create(code, `A ${kind} factory has no name`)
  if (contractVersion !== version) {
    throw coreErrors.create(
      'ERR_PD_CONTRACT_VERSION',
      `${name} is built for version ${String(contractVersion)} of the ${kind} contract, this is version ${version}`,
      { details: { name, contractVersion, expected: version } }
    )
  }
  if (typeof create !== 'function') throw coreErrors.create(code, `${name} has no create function`)
  const missing = capabilities.filter(
    (capability) => typeof (declared as Record<string, unknown> | null | undefined)?.[capability] !== 'boolean'
  )
  if (missing.length > 0)
    throw coreErrors.create(
      code,
      `${name} does not declare the ${missing.length === 1 ? 'capability' : 'capabilities'} ${missing.join(', ')}`
    )
}

function duplicate(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) !== index)
}

const providerMethods = [
  'startBrowsing',
  'stopBrowsing',
  'startPublishing',
  'stopPublishing',
  'updateMetadata',
  'monitorMetadata',
  'resolveUrl',
  'socketFactory',
  'shutdown'
]
const transportMethods = ['assess', 'attempt', 'shutdown']

/**
 * Calls a factory and checks what it made.
 * @throws ERR_PD_CREATE_FAILED with the cause, ERR_PD_INVALID_PROVIDER or ERR_PD_INVALID_TRANSPORT.
 */
export function create<T extends object>(kind: 'provider' | 'transport', name: string, make: () => T): T {
  let made: T
  try {
    made = make()
  } catch (error) {
    throw coreErrors.create('ERR_PD_CREATE_FAILED', `Creating ${name} failed: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error
    })
  }
  const methods = kind === 'provider' ? providerMethods : transportMethods
  const missing = methods.filter((method) => typeof (made as Record<string, unknown> | null | undefined)?.[method] !== 'function')
  if (missing.length === 0) return made
  throw coreErrors.create(
    kind === 'provider' ? 'ERR_PD_INVALID_PROVIDER' : 'ERR_PD_INVALID_TRANSPORT',
    `What ${name} created lacks ${missing.join(', ')}`
  )
}
