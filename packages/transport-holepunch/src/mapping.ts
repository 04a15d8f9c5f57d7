import { errorCode, limitedSignal, type Clock, type NetworkRoute } from '@kithmesh/core/plugin'
import { counts, tcpBehaviour } from './behaviour.ts'
import type { Endpoint, PunchCandidate } from './candidate.ts'
import { punchErrors } from './errors.ts'
import type { ServerOrder } from './server-order.ts'

/** What a STUN server saw of a local TCP port. */
export interface TcpMapping {
  readonly address: string
  readonly port: number
  /** Closes the connection to the server, which keeps the mapping alive. Idempotent. */
  close(): void
}

/**
 * Asks a STUN server over TCP, from a given local address and port, how it sees us (RFC 8489 §6.2.2), and keeps the connection open.
 * Rejects with Node's code `EADDRINUSE`, itself or as a cause, when the port is taken.
 */
export type BindTcp = (options: {
  /** A `stun:` URL. */
  readonly server: string
  readonly localAddress: string
  readonly localPort: number
  readonly signal: AbortSignal
}) => Promise<TcpMapping>

/** Ports to punch from. */
export interface PortRange {
  readonly low: number
  readonly high: number
}

export interface MappingOptions {
  readonly bind: BindTcp
  readonly stun: ServerOrder
  readonly ports: PortRange
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly random: () => number
  readonly progress: (phase: 'stun', server: string) => void
}

export interface MappedCandidate {
  readonly candidate: PunchCandidate
  /** Lets the mapping go. Idempotent. */
  close(): void
}

/**
 * One server's time. They are asked one after the other: each question may take a port of a router that counts (nat-lab.md §8).
 */
const SERVER_MS = 900
const PORT_TRIES = 4
/** Some program may be bound to lower ports, and routers treat their flows differently. */
const LOWEST_MAPPED = 1_024

/** Picks a fresh local port and finds out how it looks from outside. Without an answer the candidate has only its local address. */
export async function mapRoute(route: NetworkRoute, pair: number, options: MappingOptions): Promise<MappedCandidate> {
  const { random, ports, signal } = options
  let lastPort = 0
  for (let tries = 0; tries < PORT_TRIES; tries++) {
    lastPort = ports.low + Math.floor(random() * (ports.high - ports.low))
    const found = await askServers(route, lastPort, options)
    if (signal.aborted && typeof found === 'object') found.close()
    signal.throwIfAborted()
    if (found !== 'port unusable') return toCandidate(route, pair, lastPort, found)
  }
  throw punchErrors.create('ERR_PUNCH_PORT', `No port of ${route.localAddress} could be used, ${lastPort} was the last one tried`)
}

async function askServers(
  { localAddress }: NetworkRoute,
  localPort: number,
  { bind, stun, clock, signal, progress }: MappingOptions
): Promise<TcpMapping | undefined | 'port unusable'> {
  let unusable = false
  for (const server of stun.servers) {
    signal.throwIfAborted()
    progress('stun', server)
    const within = limitedSignal(clock, SERVER_MS, () => new Error(`${server} did not answer within ${SERVER_MS} ms`), signal)
    try {
      const mapping = await bind({ server, localAddress, localPort, signal: within.signal })
      if (mapping.port >= LOWEST_MAPPED) {
        stun.answered(server)
        return mapping
      }
      // The router has drawn such a port, or this server says what is not true: the next one tells.
      mapping.close()
      unusable = true
    } catch (error) {
      if (hasCode(error, 'EADDRINUSE')) return 'port unusable'
    } finally {
      within.release()
    }
  }
  return unusable ? 'port unusable' : undefined
}

function toCandidate(route: NetworkRoute, pair: number, boundPort: number, mapping: TcpMapping | undefined): MappedCandidate {
  const behaviour = tcpBehaviour(route)
  // Such a router takes the next port only for the next local port (p2pd.md §5.3): punch from that one.
  const nextPort = counts(behaviour) && behaviour.ports.kind === 'dependent'
  const local: Endpoint = { address: route.localAddress, port: nextPort && mapping !== undefined ? boundPort + 1 : boundPort }
  return {
    candidate: { pair, family: route.family, local, mapped: mappedEndpoint(route, boundPort, mapping), behaviour },
    close: () => {
      mapping?.close()
    }
  }
}

/** Where no server answers now, but the router is known to keep ports, the mapping is known all the same. */
function mappedEndpoint({ externalAddress, tcp }: NetworkRoute, port: number, mapping: TcpMapping | undefined): Endpoint | undefined {
  if (mapping !== undefined) return { address: mapping.address, port: mapping.port }
  const keeps = tcp.mapping === 'none' || tcp.ports.kind === 'equal'
  return externalAddress !== undefined && keeps ? { address: externalAddress, port } : undefined
}

function hasCode(error: unknown, code: string): boolean {
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++) {
    if (errorCode(each) === code) return true
    if (each instanceof AggregateError && each.errors.some((inner) => errorCode(inner) === code)) return true
  }
  return false
}
