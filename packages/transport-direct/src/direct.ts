import {
  type ConnectTarget,
  createDialPolicy,
  type Device,
  type DialPolicy,
  TRANSPORT_CONTRACT_VERSION,
  type TransportContext,
  type TransportFactory,
  type TransportStrategy
} from '@kithmesh/core'
import { checkPositive, formatHostPort, joinSignals } from '@kithmesh/core/plugin'
import { orderAddresses } from './addresses.ts'
import { UNLIKELY, directRank } from './chance.ts'
import { dial } from './dial.ts'
import { directErrors } from './errors.ts'
import { parseTargetUrl } from './target-url.ts'
import { createTcpListener, type TcpListener } from './listener.ts'

const SCHEMES = ['ws', 'wss', 'tcp', 'tls'] as const

export interface DirectOptions {
  /** Port to listen on; default 0, any free one. */
  readonly port?: number
  /** Address to listen on; default all, IPv6 and IPv4. */
  readonly host?: string
  /** Instead of `host`: names of interfaces, or addresses of this machine, to listen on. */
  readonly interfaces?: readonly string[]
  /** Per attempt; default 15,000, and 5,000 where the device's own description says that it can hardly be reached. */
  readonly deadlineMs?: number
  /** Head start of each address over the next; default 250 (RFC 8305 §5). */
  readonly staggerMs?: number
  /** Accepted connections at a time; default 1,000. */
  readonly maxConnections?: number
  /**
   * Which addresses may be dialled that a device names at a broker, where strangers can name any. Default: global ones, those of this
   * machine's own networks and its own, above port 1023 or 443, 30 a minute for each device. Pass `createDialPolicy` with
   * `privateNetworks` for private networks behind routers of your own.
   */
  readonly dialPolicy?: DialPolicy
}

/** Dials are spread over all devices of a group here, while the policy of a discovery is for what single peers ask for. */
const PRESENCE_RATE = { burst: 1_000, perMinute: 1_000 } as const
/** For dialling a device that its own description says can hardly be reached, so that a report is not kept waiting. */
const UNLIKELY_DEADLINE_MS = 5_000

/**
 * The plain way to a peer: TCP to any of its addresses, Happy Eyeballs among them. It also listens.
 * @throws TypeError for options that make no sense
 */
export function direct(options: DirectOptions = {}): TransportFactory {
  checkPositive(options, 'deadlineMs', 'maxConnections')
  return Object.freeze({
    name: 'direct',
    contractVersion: TRANSPORT_CONTRACT_VERSION,
    capabilities: Object.freeze({ listens: true, relayed: false }),
    create: (context: TransportContext) => createStrategy(options, context)
  })
}

function createStrategy(options: DirectOptions, { logger, clock }: TransportContext): TransportStrategy {
  const { port, host, interfaces, deadlineMs, staggerMs, maxConnections } = options
  const { dialPolicy = createDialPolicy({ clock, ownAddresses: true, total: PRESENCE_RATE }) } = options
  const listeners = new Set<TcpListener>()
  const life = new AbortController()
  return {
    name: 'direct',
    capabilities: Object.freeze({ listens: true, relayed: false }),

    assess({ resolved, localNetwork }: ConnectTarget) {
      try {
        const { host } = parseTargetUrl(resolved.url, SCHEMES)
        // A name that stands for no host (RFC 6761 §6.4) must not be looked up.
        if (resolved.addresses.length === 0 && host.endsWith('.invalid')) return { usable: false, reason: 'the device names no address' }
        return { usable: true, rank: directRank(resolved.network, localNetwork) }
      } catch (error) {
        return { usable: false, reason: (error as Error).message }
      }
    },

    async attempt({ device, resolved, localNetwork, refuses }, { signal, progress }) {
      signal.throwIfAborted()
      life.signal.throwIfAborted()
      const target = parseTargetUrl(resolved.url, SCHEMES)
      const addresses =
        resolved.network === undefined ? resolved.addresses : allowedAddresses(dialPolicy, device, resolved.addresses, target.port)
      const hurried = deadlineMs === undefined && directRank(resolved.network, localNetwork) === UNLIKELY
      const ending = joinSignals(signal, life.signal)
      try {
        return await dial({
          host: target.host,
          port: target.port,
          addresses: orderAddresses(addresses),
          signal: ending.signal,
          clock,
          progress,
          ...(refuses === undefined ? {} : { refuses }),
          ...(deadlineMs === undefined ? {} : { deadlineMs }),
          ...(hurried ? { deadlineMs: UNLIKELY_DEADLINE_MS } : {}),
          ...(staggerMs === undefined ? {} : { staggerMs })
        })
      } finally {
        ending.release()
      }
    },

    async listen({ onConnection }) {
      life.signal.throwIfAborted()
      const listener = await createTcpListener({
        clock,
        logger,
        onConnection: (stream, { remote }) => {
          onConnection(stream, remote)
        },
        ...(host === undefined ? {} : { host }),
        ...(interfaces === undefined ? {} : { interfaces }),
        ...(port === undefined ? {} : { port }),
        ...(maxConnections === undefined ? {} : { maxConnections })
      })
      if (life.signal.aborted) {
        await listener.close()
        throw life.signal.reason
      }
      listeners.add(listener)
      return {
        port: listener.port,
        get addresses() {
          return listener.addresses
        },
        close: async () => {
          listeners.delete(listener)
          await listener.close()
        }
      }
    },

    async shutdown() {
      if (!life.signal.aborted) life.abort(directErrors.create('ERR_DIRECT_SHUT_DOWN', 'The direct transport was shut down'))
      await Promise.all(
        [...listeners].map(async (listener) => {
          await listener.close()
        })
      )
      listeners.clear()
    }
  }
}

/** @throws ERR_DIRECT_POLICY when there is none */
function allowedAddresses(policy: DialPolicy, { id, displayName }: Device, addresses: readonly string[], port: number): string[] {
  const reasons: string[] = []
  const allowed = addresses.filter((address) => {
    const reason = policy.refuse(id, address, port)
    if (reason !== undefined) reasons.push(`${formatHostPort(address, port)}: ${reason}`)
    return reason === undefined
  })
  if (allowed.length > 0) return allowed
  throw directErrors.create('ERR_DIRECT_POLICY', `No address that ${displayName} names may be dialled: ${reasons.join('; ')}`, {
    details: { reasons }
  })
}
