import {
  TRANSPORT_CONTRACT_VERSION,
  type ConnectTarget,
  type TransportContext,
  type TransportFactory,
  type TransportStrategy
} from '@kithmesh/core'
import { orderAddresses } from './addresses.ts'
import { directRank } from './chance.ts'
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
  /** Per attempt; default 15,000. */
  readonly deadlineMs?: number
  /** Head start of each address over the next; default 250 (RFC 8305 §5). */
  readonly staggerMs?: number
  /** Accepted connections at a time; default 1,000. */
  readonly maxConnections?: number
}

/** The plain way to a peer: TCP to any of its addresses, Happy Eyeballs among them. It also listens. */
export function direct(options: DirectOptions = {}): TransportFactory {
  return Object.freeze({
    name: 'direct',
    contractVersion: TRANSPORT_CONTRACT_VERSION,
    capabilities: Object.freeze({ listens: true, relayed: false }),
    create: (context: TransportContext) => createStrategy(options, context)
  })
}

function createStrategy(options: DirectOptions, { logger, clock }: TransportContext): TransportStrategy {
  const { port, host, interfaces, deadlineMs, staggerMs, maxConnections } = options
  const listeners = new Set<TcpListener>()
  const attempts = new Set<AbortController>()
  let down = false
  const shutDown = (): Error => directErrors.create('ERR_DIRECT_SHUT_DOWN', 'The direct transport was shut down')
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

    async attempt({ resolved }, { signal, progress }) {
      signal.throwIfAborted()
      if (down) throw shutDown()
      const target = parseTargetUrl(resolved.url, SCHEMES)
      const controller = new AbortController()
      attempts.add(controller)
      const onAbort = (): void => {
        controller.abort(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        return await dial({
          host: target.host,
          port: target.port,
          addresses: orderAddresses(resolved.addresses),
          signal: controller.signal,
          clock,
          progress,
          ...(deadlineMs === undefined ? {} : { deadlineMs }),
          ...(staggerMs === undefined ? {} : { staggerMs })
        })
      } finally {
        attempts.delete(controller)
        signal.removeEventListener('abort', onAbort)
      }
    },

    async listen({ onConnection }) {
      if (down) throw shutDown()
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
      if (down) {
        await listener.close()
        throw shutDown()
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
      down = true
      for (const controller of attempts) controller.abort(shutDown())
      await Promise.all(
        [...listeners].map(async (listener) => {
          await listener.close()
        })
      )
      listeners.clear()
    }
  }
}
