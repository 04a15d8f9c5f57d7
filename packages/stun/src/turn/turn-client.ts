import { errorCode, silentLogger, systemClock } from '@kithmesh/core'
import { checkInteger, unlessAborted } from '@kithmesh/core/plugin'
import {
  addressFamily,
  canonicalAddress,
  formatTransportAddress,
  sameTransportAddress,
  type TransportAddress
} from '../codec/transport-address.ts'
import type { StunAttributes } from '../codec/attributes.ts'
import { authenticatedRequest } from '../credentials/authenticated-request.ts'
import { LongTermCredentials } from '../credentials/long-term.ts'
import { stunErrors } from '../errors.ts'
import { resolveServer } from '../stream/dial.ts'
import { checkTime, deadline } from '../transaction/deadline.ts'
import { neverRedirect } from '../transaction/redirect-policy.ts'
import type { StunResponse } from '../transaction/request.ts'
import { parseStunUri, type StunUri } from '../uri.ts'
import type { AllocationParts, BaseAllocation } from './allocation.ts'
import type { AllocateOptions, TcpAllocation, TurnClient, TurnClientOptions, UdpAllocation } from './contracts.ts'
import { openControl, openServerStream, type ControlOptions, type TurnControl } from './control.ts'
import { TurnTcpAllocation } from './tcp-allocation.ts'
import { turnError } from './turn-error.ts'
import { TurnUdpAllocation } from './udp-allocation.ts'

const UDP = 17
const TCP = 6
const DEFAULT_LIFETIME = 600
const MAX_LIFETIME = 0xffff_ffff
/** Of a host with many addresses, the first few are tried. */
const MAX_ADDRESSES = 4

/**
 * Makes a client for one TURN server. Nothing is sent before the first allocation.
 * @throws ERR_STUN_URI; TypeError for a URI of a STUN server, and other options that make no sense.
 */
export function createTurnClient(options: TurnClientOptions): TurnClient {
  const uri = parseStunUri(options.uri)
  if (uri.kind !== 'turn') throw new TypeError(`${options.uri} names a STUN server, not a TURN server`)
  const { family, localAddress, requestTimeoutMs = 5_000, checkIntervalMs = 60_000 } = options
  checkFamily(family)
  if (localAddress !== undefined && addressFamily(localAddress) === undefined) throw new TypeError(`${localAddress} is no IP address`)
  checkTime('requestTimeoutMs', requestTimeoutMs)
  checkTime('checkIntervalMs', checkIntervalMs, 100)
  return new Client(options, uri)
}

/** What the server granted: the response, and the connection it came on. */
interface Granted {
  readonly control: TurnControl
  readonly credentials: LongTermCredentials
  readonly response: StunResponse
  readonly controlOptions: Omit<ControlOptions, 'signal'>
}

class Client implements TurnClient {
  readonly uri: string
  readonly #options: TurnClientOptions
  readonly #server: StunUri
  readonly #life = new AbortController()
  readonly #allocations = new Set<BaseAllocation>()
  readonly #beginning = new Set<Promise<unknown>>()

  constructor(options: TurnClientOptions, server: StunUri) {
    this.uri = options.uri
    this.#options = options
    this.#server = server
  }

  allocateUdp(options: AllocateOptions = {}): Promise<UdpAllocation> {
    return this.#allocate(UDP, options, (parts) => new TurnUdpAllocation(parts))
  }

  async allocateTcp(options: AllocateOptions = {}): Promise<TcpAllocation> {
    if (this.#server.transport === 'udp')
      throw stunErrors.create('ERR_TURN_TRANSPORT', `${this.uri} is a server over UDP, and connections can be relayed over TCP only`, {
        hint: 'Use turn:host?transport=tcp or turns:host.'
      })
    return this.#allocate(
      TCP,
      options,
      (parts, controlOptions) => new TurnTcpAllocation(parts, (signal) => openServerStream({ ...controlOptions, signal }))
    )
  }

  async close(): Promise<void> {
    this.#life.abort(stunErrors.create('ERR_TURN_CLOSED', 'The TURN client was closed'))
    await Promise.allSettled(this.#beginning)
    await Promise.all([...this.#allocations].map((allocation) => allocation.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #allocate<T extends BaseAllocation>(
    transport: number,
    options: AllocateOptions,
    make: (parts: AllocationParts, controlOptions: Granted['controlOptions']) => T
  ): Promise<T> {
    const { signal, deadlineMs = 10_000, lifetime = DEFAULT_LIFETIME } = options
    checkFamily(options.family)
    checkInteger('lifetime', lifetime, 1, MAX_LIFETIME)
    const { clock = systemClock } = this.#options
    const limit = deadline(clock, deadlineMs, `Allocating a relay at ${this.uri}`, signal, this.#life.signal)
    const run = this.#allocateWithin(transport, options, make, limit.signal)
    this.#beginning.add(run)
    try {
      return await run
    } finally {
      this.#beginning.delete(run)
      limit.release()
    }
  }

  async #allocateWithin<T extends BaseAllocation>(
    transport: number,
    options: AllocateOptions,
    make: (parts: AllocationParts, controlOptions: Granted['controlOptions']) => T,
    signal: AbortSignal
  ): Promise<T> {
    const { clock = systemClock, logger = silentLogger, requestTimeoutMs = 5000, checkIntervalMs = 60_000 } = this.#options
    const askedLifetime = options.lifetime ?? DEFAULT_LIFETIME
    const granted = await this.#grant(transport, askedLifetime, options.family, signal)
    const { control, credentials, response } = granted
    const { xorRelayedAddress, xorMappedAddress, lifetime = askedLifetime } = response.message.attributes
    if (xorRelayedAddress === undefined || xorMappedAddress === undefined || lifetime === 0 || signal.aborted) {
      await control.close()
      signal.throwIfAborted()
      throw stunErrors.create('ERR_STUN_RESPONSE', `${formatTransportAddress(control.server)} allocated a relay without saying its address`)
    }
    const allocation = make(
      {
        control,
        credentials,
        relayed: plain(xorRelayedAddress),
        mapped: plain(xorMappedAddress),
        lifetime,
        askedLifetime,
        requestTimeoutMs,
        checkIntervalMs,
        clock,
        logger
      },
      granted.controlOptions
    )
    this.#allocations.add(allocation)
    void allocation.ended.then(() => this.#allocations.delete(allocation))
    return allocation
  }

  /** Tries the addresses of the server one after the other, as long as they do not answer at all. */
  async #grant(transport: number, lifetime: number, family: 4 | 6 | undefined, signal: AbortSignal): Promise<Granted> {
    const { host, port } = this.#server
    const { localAddress } = this.#options
    const serverFamily = this.#options.family ?? (localAddress === undefined ? undefined : addressFamily(localAddress))
    const servers = (await resolveServer(host, port, { family: serverFamily, signal })).slice(0, MAX_ADDRESSES)
    const errors: unknown[] = []
    for (const server of servers) {
      try {
        return await this.#grantFrom(server, undefined, transport, lifetime, family, signal)
      } catch (error) {
        if (signal.aborted || !isSilence(error)) throw error
        errors.push(error)
      }
    }
    throw errors[0]
  }

  /** Asks one server, and at most one other that it names (RFC 8489 §10). */
  async #grantFrom(
    server: TransportAddress,
    redirectedBy: TransportAddress | undefined,
    transport: number,
    lifetime: number,
    family: 4 | 6 | undefined,
    signal: AbortSignal
  ): Promise<Granted> {
    const { clock = systemClock, logger = silentLogger, requestTimeoutMs = 5000, username, credential, localAddress, tls } = this.#options
    const controlOptions = { transport: this.#server.transport, server, host: this.#server.host, tls, localAddress, clock, logger }
    const control = await openControl({ ...controlOptions, signal })
    try {
      const credentials = new LongTermCredentials(username, credential)
      const relayFamily = family ?? addressFamily(server.address)
      const attributes: StunAttributes = {
        requestedTransport: transport,
        lifetime,
        // IPv4 is what servers give unless asked, and old ones do not know the attribute.
        ...(relayFamily === 6 && { requestedAddressFamily: 6 })
      }
      const response = await unlessAborted(signal, () =>
        authenticatedRequest((request) => control.request(request, { signal, deadlineMs: requestTimeoutMs }), credentials, {
          method: 'allocate',
          attributes
        })
      )
      if (response.message.messageClass === 'success') return { control, credentials, response, controlOptions }
      const { errorCode: error, alternateServer } = response.message.attributes
      if (error?.code !== 300 || alternateServer === undefined) throw allocateError(transport, server, error)
      const alternate = plain(alternateServer)
      this.#checkRedirect(alternate, server, redirectedBy)
      await control.close()
      return await this.#grantFrom(alternate, server, transport, lifetime, family, signal)
    } catch (error) {
      await control.close()
      throw error
    }
  }

  #checkRedirect(alternate: TransportAddress, from: TransportAddress, redirectedBy: TransportAddress | undefined): void {
    const { allowRedirect = neverRedirect } = this.#options
    const names = `${formatTransportAddress(from)} sends us to ${formatTransportAddress(alternate)}`
    if (redirectedBy !== undefined || sameTransportAddress(alternate, from))
      throw stunErrors.create('ERR_STUN_REDIRECT', `${names}, which is one time too many`, { details: { alternate, from } })
    if (!allowRedirect(alternate, from))
      throw stunErrors.create('ERR_STUN_REDIRECT', `${names}, which is not allowed`, { details: { alternate, from } })
  }
}

function checkFamily(family: number | undefined): void {
  if (family !== undefined && family !== 4 && family !== 6) throw new TypeError(`family is 4 or 6, not ${family}`)
}

function plain({ address, port }: TransportAddress): TransportAddress {
  return { address: canonicalAddress(address), port }
}

/** Nothing was heard from this address; another one may answer. */
function isSilence(error: unknown): boolean {
  return ['ERR_STUN_CONNECT', 'ERR_STUN_TIMEOUT', 'ERR_STUN_UNREACHABLE', 'ERR_STUN_SOCKET', 'ERR_STUN_CLOSED'].includes(
    errorCode(error) ?? ''
  )
}

function allocateError(
  transport: number,
  server: TransportAddress,
  error: { readonly code: number; readonly reason: string } | undefined
): Error {
  const what = `${formatTransportAddress(server)} refused to allocate a relay for ${transport === TCP ? 'TCP' : 'UDP'}`
  // RFC 6062 has no code of its own for servers without TCP relays: they say 400, 403 or 442.
  if (transport === TCP && (error?.code === 400 || error?.code === 403))
    return stunErrors.create('ERR_TURN_TRANSPORT', `${what}: ${error.code} ${error.reason}`.trimEnd(), {
      details: { errorCode: error.code, reason: error.reason }
    })
  return turnError(error, what)
}
