import { setMaxListeners } from 'node:events'
import type { Clock, Logger, NetworkFacts, NetworkProbe, NetworkProbeFactory, NetworkRoute } from '@kithmesh/core'
import { ownInterfaces, unlessAborted } from '@kithmesh/core/plugin'
import { formatTransportAddress } from '../codec/transport-address.ts'
import { resolveServer } from '../stream/dial.ts'
import type { StunTlsOptions } from '../stream/dial.ts'
import { checkTime, deadline } from '../transaction/deadline.ts'
import { parseStunUri } from '../uri.ts'
import type { StunUri } from '../uri.ts'
import { examineTcp, examineUdp, unknownOthers } from './examine.ts'
import type { ProbeServer, RouteContext } from './examine.ts'
import { classifyNat, noFindings, withFilteringOf } from './nat-classification.ts'
import type { Conclusion, Findings } from './nat-classification.ts'
import { LocalPorts } from './local-ports.ts'
import type { PortRange } from './local-ports.ts'
import { localRoutes, routesKey, routesOf } from './local-routes.ts'
import type { InterfaceTable, LocalRoute } from './local-routes.ts'
import { measurePorts } from './port-series.ts'

export interface NatProbeOptions {
  /**
   * `stun:host`, `stun:host:port` (asked over UDP and TCP), `stuns:host` (TLS alone) or the same with `turn`. The first four of each family
   * are asked; three tell a wrong one apart, and one with two addresses (RFC 5780) tells more than three others.
   */
  readonly servers: readonly string[]
  /** For `stuns:` servers, such as a certificate authority of one's own. */
  readonly tls?: StunTlsOptions
  /** For one measurement, 1 to 600,000 milliseconds. @default 2000 */
  readonly deadlineMs?: number
  /** Measures from these addresses, three of a family at most, instead of one of each interface. */
  readonly localAddresses?: readonly string[]
  /** Where measuring takes its local ports from; they should not be those the operating system gives away. @default 16384 to 32767 */
  readonly localPorts?: PortRange
  /** How often the machine's addresses are looked at for changes, 100 to 3,600,000 milliseconds. @default 5000 */
  readonly pollMs?: number
  /** @default os.networkInterfaces */
  readonly networkInterfaces?: () => InterfaceTable
}

const DEADLINE_MS = 2_000
const MAX_DEADLINE_MS = 600_000
const POLL_MS = 5_000
const MAX_SERVERS = 4
const LOCAL_PORTS: PortRange = { low: 16_384, high: 32_767 }
/** Of the deadline, for asking the name server. */
const RESOLVE_PART = 0.3

/**
 * Finds out what lies between this machine and the internet: for each interface and family, for UDP and TCP, what external addresses and ports
 * depend on, who may send to them, and how ports are picked.
 *
 * Mapping and filtering are measured as in RFC 5780, with what RFC 3489 servers can tell where there is nothing better; ports by two short
 * series. TCP's filtering cannot be asked for; it is UDP's where both are mapped alike. Servers whose answers cannot be true, or contradict most,
 * are left out and named in the log. No packet goes anywhere but to the servers named, and to the second addresses they name.
 *
 * @throws ERR_STUN_URI when a server cannot be understood; TypeError for other options that cannot be.
 */
export function natProbe(options: NatProbeOptions): NetworkProbeFactory {
  const uris = options.servers.map((server) => ({ server, uri: parseStunUri(server) }))
  if (uris.length === 0) throw new TypeError('The NAT probe needs at least one STUN server')
  const range = options.localPorts ?? LOCAL_PORTS
  const { low, high } = range
  if (!(Number.isInteger(low) && Number.isInteger(high) && low >= 1 && high <= 65_535 && high - low >= 200))
    throw new TypeError('localPorts are 200 or more ports from 1 to 65535')
  const { deadlineMs = DEADLINE_MS, pollMs = POLL_MS, localAddresses } = options
  if (!(deadlineMs >= 1 && deadlineMs <= MAX_DEADLINE_MS))
    throw new TypeError(`deadlineMs is from 1 to ${MAX_DEADLINE_MS}, not ${deadlineMs}`)
  checkTime('pollMs', pollMs, 100)
  if (localAddresses !== undefined) routesOf(localAddresses)
  return {
    name: 'nat-probe',
    create: ({ logger, clock }) => new NatProbe({ ...options, localPorts: range }, uris, logger, clock)
  }
}

interface NamedUri {
  readonly server: string
  readonly uri: StunUri
}

class NatProbe implements NetworkProbe {
  readonly #options: NatProbeOptions
  readonly #servers: readonly NamedUri[]
  readonly #logger: Logger
  readonly #clock: Clock
  readonly #localPorts: LocalPorts
  readonly #shutdown = new AbortController()
  readonly #named = new Set<string>()
  readonly #listeners = new Set<() => void>()
  #running: Promise<unknown> = Promise.resolve()
  #known = ''
  #cancelPoll: (() => void) | undefined

  constructor(options: NatProbeOptions & { readonly localPorts: PortRange }, servers: readonly NamedUri[], logger: Logger, clock: Clock) {
    this.#options = options
    this.#servers = servers
    this.#logger = logger
    this.#clock = clock
    this.#localPorts = new LocalPorts(options.localPorts, Math.random)
  }

  /** Measurements take turns: two at once would count as each other's foreign flows. */
  async measure({ signal }: { readonly signal: AbortSignal }): Promise<NetworkFacts> {
    const before = this.#running
    const own = unlessAborted(signal, before).then(() => this.#measure(signal))
    this.#running = Promise.allSettled([before, own])
    return own
  }

  onStale(stale: () => void): () => void {
    const own = (): void => {
      stale()
    }
    this.#listeners.add(own)
    if (!this.#shutdown.signal.aborted) this.#cancelPoll ??= this.#poll()
    return () => {
      this.#listeners.delete(own)
      if (this.#listeners.size === 0) this.#endPoll()
    }
  }

  async shutdown(): Promise<void> {
    this.#shutdown.abort(new DOMException('The NAT probe was shut down', 'AbortError'))
    this.#listeners.clear()
    this.#endPoll()
    await this.#running
  }

  #routes(): LocalRoute[] {
    const { localAddresses, networkInterfaces: table = ownInterfaces } = this.#options
    return localAddresses === undefined ? localRoutes(table()) : routesOf(localAddresses)
  }

  #poll(): () => void {
    this.#known = routesKey(this.#routes())
    const poll = (): void => {
      const now = routesKey(this.#routes())
      if (now === this.#known) return
      this.#known = now
      for (const stale of this.#listeners) {
        try {
          stale()
        } catch (error) {
          this.#logger.error('Telling of a changed network failed', { error })
        }
      }
    }
    return this.#clock.every(this.#options.pollMs ?? POLL_MS, poll, { background: true })
  }

  #endPoll(): void {
    this.#cancelPoll?.()
    this.#cancelPoll = undefined
  }

  async #measure(outer: AbortSignal): Promise<NetworkFacts> {
    const deadlineMs = this.#options.deadlineMs ?? DEADLINE_MS
    const ends = [outer, this.#shutdown.signal] as const
    for (const each of ends) each.throwIfAborted()
    const begun = this.#clock.monotonic()
    const limit = deadline(this.#clock, deadlineMs, 'Measuring the network', ...ends)
    setMaxListeners(0, limit.signal)
    try {
      const routes = this.#routes()
      const families = await Promise.all(
        ([4, 6] as const).map((family) => {
          const own = routes.filter((route) => route.family === family)
          return this.#measureFamily(family, own, deadlineMs / DEADLINE_MS, limit.signal)
        })
      )
      for (const each of ends) each.throwIfAborted()
      const cutOff = limit.signal.aborted
      const facts = {
        routes: families.flat().sort((a, b) => a.interfaceIndex - b.interfaceIndex),
        measuredAt: this.#clock.now(),
        ...(cutOff ? { cutOff } : {})
      }
      this.#logger.debug('The network was measured', { ms: Math.round(this.#clock.monotonic() - begun), cutOff, routes: facts.routes })
      return facts
    } finally {
      limit.release()
    }
  }

  /** Routes of one family are examined together; their series of ports take turns, as they may share one NAT. */
  async #measureFamily(family: 4 | 6, routes: readonly LocalRoute[], scale: number, signal: AbortSignal): Promise<NetworkRoute[]> {
    if (routes.length === 0) return []
    const servers = await this.#resolve(family, scale, signal)
    const examined = routes.map((route) => {
      const context: RouteContext = {
        localAddress: route.localAddress,
        servers,
        clock: this.#clock,
        signal,
        localPorts: this.#localPorts,
        scale,
        others: unknownOthers(servers),
        roundTrips: new Map()
      }
      return { route, context, udp: noFindings(), tcp: noFindings() }
    })
    await Promise.all(examined.flatMap(({ context, udp, tcp }) => [examineUdp(context, udp), examineTcp(context, tcp)]))
    for (const { context, udp, tcp } of examined) {
      await measurePorts(context, udp, 'udp')
      await measurePorts(context, tcp, 'tcp')
    }
    return examined.map(({ route, udp, tcp }) => this.#describe(route, udp, tcp))
  }

  async #resolve(family: 4 | 6, scale: number, signal: AbortSignal): Promise<ProbeServer[]> {
    const limit = deadline(this.#clock, DEADLINE_MS * scale * RESOLVE_PART, 'Resolving the STUN servers', signal)
    setMaxListeners(0, limit.signal)
    try {
      const found = await Promise.all(this.#servers.map((named) => this.#resolveOne(named, family, limit.signal)))
      const distinct = new Map(found.filter((server) => server !== undefined).map((server) => [formatTransportAddress(server), server]))
      return [...distinct.values()].slice(0, MAX_SERVERS)
    } finally {
      limit.release()
    }
  }

  async #resolveOne({ server, uri }: NamedUri, family: 4 | 6, signal: AbortSignal): Promise<ProbeServer | undefined> {
    try {
      const [first] = await resolveServer(uri.host, uri.port, { family, signal })
      if (first === undefined) return undefined
      return {
        ...first,
        name: server,
        overUdp: uri.transport === 'udp',
        ...(uri.transport === 'tls' ? { tls: { ...this.#options.tls, host: uri.host } } : {})
      }
    } catch (error) {
      this.#logger.debug('A STUN server has no address of this family, or the name server does not answer', { server, family, error })
      return undefined
    }
  }

  #describe(route: LocalRoute, udpFindings: Findings, tcpFindings: Findings): NetworkRoute {
    const udp = classifyNat(udpFindings)
    const tcp = classifyNat(tcpFindings)
    this.#nameWrongServers(route, udp)
    this.#nameWrongServers(route, tcp)
    return {
      interfaceIndex: route.interfaceIndex,
      family: route.family,
      localAddress: route.localAddress,
      externalAddress: udp.externalAddress ?? tcp.externalAddress,
      udp: udp.behaviour,
      tcp: withFilteringOf(tcp.behaviour, udp.behaviour)
    }
  }

  /** Each wrong server once. */
  #nameWrongServers({ localAddress }: LocalRoute, { distrusted, contradiction }: Conclusion): void {
    for (const { server, mapped, reason } of distrusted) {
      if (this.#named.has(server)) continue
      this.#named.add(server)
      this.#logger.warn('A STUN server is not believed', { server, localAddress, mapped: formatTransportAddress(mapped), reason })
    }
    if (contradiction && !this.#named.has(''))
      this.#logger.warn('The STUN servers contradict each other on the external address; name a third one', { localAddress })
    if (contradiction) this.#named.add('')
  }
}
