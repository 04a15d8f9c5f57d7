import {
  checkInteger,
  checkRange,
  TRANSPORT_CONTRACT_VERSION,
  isPeerId,
  joinSignals,
  type Assessment,
  type ConnectTarget,
  type ListenOptions,
  type TransportContext,
  type TransportFactory,
  type TransportStrategy
} from '@kithmesh/core/plugin'
import { askToConnect } from './active.ts'
import { reverseErrors } from './errors.ts'
import { Caller, type Taker } from './passive.ts'
import { reachableEndpoints, type Reachable } from './reachable.ts'
import { REVERSE_CONNECT } from './request.ts'
import { Turnstile } from './turnstile.ts'

/** Requests to one peer that wait for their connection; further ones queue, as the peer would refuse them. */
const MAX_ASKING_PER_PEER = 4
const MAX_MS = 3_600_000

export interface ReverseOptions {
  /**
   * The TCP port at the external address that the router forwards to this device's listening port: connections get in there, whatever the
   * NAT probe says. @default undefined, nothing is forwarded
   */
  readonly forwardedPort?: number
  /** For asking and the connection's arrival together, 1 to 3,600,000 milliseconds. @default 10000 */
  readonly deadlineMs?: number
  /** For connecting to a peer that asked for it, 1 to 3,600,000 milliseconds. @default 5000 */
  readonly dialDeadlineMs?: number
  /** Head start of each of a peer's addresses over the next, 0 to 3,600,000 milliseconds (RFC 8305 §5). @default 250 */
  readonly staggerMs?: number
}

/**
 * Reverse connections (seed 002, strategy 2): this device asks the other one over signalling to connect to it, for the case that only this
 * side can be reached. The passive side connects for peers that ask, within the dial policy.
 * @throws TypeError for options that make no sense
 */
export function reverse(options: ReverseOptions = {}): TransportFactory {
  const { forwardedPort } = options
  if (forwardedPort !== undefined) checkInteger('forwardedPort', forwardedPort, 1, 65_535)
  for (const [name, least] of [
    ['deadlineMs', 1],
    ['dialDeadlineMs', 1],
    ['staggerMs', 0]
  ] as const)
    checkRange(name, options[name] ?? least, least, MAX_MS)
  return Object.freeze({
    name: 'reverse',
    contractVersion: TRANSPORT_CONTRACT_VERSION,
    capabilities: Object.freeze({ listens: true, relayed: false }),
    create: (context: TransportContext) => createStrategy(options, context)
  })
}

function createStrategy(options: ReverseOptions, context: TransportContext): TransportStrategy {
  const { forwardedPort, deadlineMs = 10_000, dialDeadlineMs = 5_000, staggerMs = 250 } = options
  const { signaling, logger } = context
  const caller = new Caller({ context, deadlineMs: dialDeadlineMs, staggerMs })
  const turnstile = new Turnstile(MAX_ASKING_PER_PEER)
  const life = new AbortController()
  /** In the order in which they were opened; the first takes the connections. */
  const takers = new Map<Taker, AbortController>()
  let unhandle = (): void => {}

  const judge = ({ device, resolved, localNetwork }: ConnectTarget): Reachable => {
    const port = context.listeningPort()
    if (resolved.network === undefined) return { usable: false, reason: 'no signalling leads to the other device' }
    if (!isPeerId(device.id)) return { usable: false, reason: 'the other device does not say who it is' }
    if (port === undefined) return { usable: false, reason: 'this device listens on no TCP port' }
    if (!signaling.reaches(device.id)) return { usable: false, reason: 'the other device listens on no signalling channel' }
    return reachableEndpoints(localNetwork.routes, resolved.network, { port, forwardedPort })
  }

  const close = (taker: Taker, reason: unknown): void => {
    takers.get(taker)?.abort(reason)
    takers.delete(taker)
    if (takers.size === 0) {
      unhandle()
      unhandle = () => {}
    }
  }

  return {
    name: 'reverse',
    capabilities: Object.freeze({ listens: true, relayed: false }),

    assess(target): Assessment {
      const judged = judge(target)
      return judged.usable ? { usable: true, rank: judged.rank } : judged
    },

    async attempt(target, { signal, progress }) {
      signal.throwIfAborted()
      life.signal.throwIfAborted()
      const judged = judge(target)
      if (!judged.usable) throw reverseErrors.create('ERR_REVERSE_UNUSABLE', `Nobody can be asked to connect: ${judged.reason}`)
      const peerId = target.device.id
      const ending = joinSignals(signal, life.signal)
      try {
        const leave = await turnstile.enter(peerId, ending.signal)
        try {
          return await askToConnect(context, { peerId, endpoints: judged.endpoints, deadlineMs, signal: ending.signal, progress })
        } finally {
          leave()
        }
      } finally {
        ending.release()
      }
    },

    async listen({ onConnection }: ListenOptions) {
      life.signal.throwIfAborted()
      const controller = new AbortController()
      const taker: Taker = {
        signal: controller.signal,
        take(socket, remote) {
          try {
            onConnection(socket, remote)
          } catch (error) {
            logger.error('Taking over a connection failed', { remote, error })
            socket.destroy()
          }
        }
      }
      if (takers.size === 0)
        unhandle = signaling.handle(REVERSE_CONNECT, async (fromPeerId, body, { signal }) => {
          const [first] = takers.keys()
          if (first === undefined) throw reverseErrors.create('ERR_REVERSE_BUSY', 'This device takes no connections at present')
          const ending = joinSignals(signal, first.signal)
          try {
            return await caller.answer(fromPeerId, body, { signal: ending.signal, take: first.take })
          } finally {
            ending.release()
          }
        })
      takers.set(taker, controller)
      return {
        port: undefined,
        addresses: [],
        close: async () => {
          close(taker, reverseErrors.create('ERR_REVERSE_SHUT_DOWN', 'The listener was closed'))
        }
      }
    },

    async shutdown() {
      const reason = reverseErrors.create('ERR_REVERSE_SHUT_DOWN', 'The reverse transport was shut down')
      life.abort(reason)
      for (const taker of [...takers.keys()]) close(taker, reason)
    }
  }
}
