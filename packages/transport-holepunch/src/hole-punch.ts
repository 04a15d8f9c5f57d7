import {
  TRANSPORT_CONTRACT_VERSION,
  isPeerId,
  type ListenOptions,
  type TransportContext,
  type TransportFactory,
  type TransportStrategy
} from '@kithmesh/core'
import { assessPunch } from './assess.ts'
import { bindTcp } from './bind-tcp.ts'
import { Calls } from './calls.ts'
import { punchErrors } from './errors.ts'
import { initiate } from './initiator.ts'
import type { BindTcp, PortRange } from './mapping.ts'
import { MAPPINGS_KIND } from './messages.ts'
import type { NetworkClockLike, PunchParts } from './parts.ts'
import { Responder } from './responder.ts'
import { ServerOrder } from './server-order.ts'
import { Slots } from './slots.ts'

export interface HolePunchOptions {
  /** `stun:` URLs of servers that answer over TCP, in the order of their use. Without any only networks without NAT can be left. */
  readonly stun?: readonly string[]
  /** Makes both sides begin at once; without it they are some hundredths of a second apart, which does but takes longer. */
  readonly clock?: NetworkClockLike
  /**
   * Local ports to punch from. @default 20001–32767: above those that routers tamper with (SIP), below those the system gives to others
   */
  readonly ports?: PortRange
  /** Milliseconds for a round of punching, of which there are at most three. @default 2500 */
  readonly punchMs?: number
  /** Replaces the STUN client. */
  readonly bind?: BindTcp
  /** From 0 to less than 1; for retries and ports. @default Math.random */
  readonly random?: () => number
}

const NAME = 'tcp-hole-punch'
const CAPABILITIES = Object.freeze({ listens: true, relayed: false })
const DEFAULT_PORTS: PortRange = { low: 20_001, high: 32_767 }
const DEFAULT_PUNCH_MS = 2_500
const MAX_SERVERS = 3

/**
 * Connects two devices that are both behind NATs, without a relay: they exchange by signalling where their routers can be reached, and
 * open the same TCP connection from both ends at once (simultaneous open, RFC 9293 §3.5; RFC 5128 §3.4).
 * @throws TypeError for options that make no sense
 */
export function holePunch(options: HolePunchOptions = {}): TransportFactory {
  const { stun = [], ports = DEFAULT_PORTS, punchMs = DEFAULT_PUNCH_MS } = options
  for (const server of stun)
    if (!/^stuns?:\S+$/.test(server)) throw new TypeError(`stun: "${server}" is not a URL such as stun:stun.example.org:3478`)
  if (
    !(Number.isInteger(ports.low) && Number.isInteger(ports.high) && ports.low >= 1_024 && ports.high <= 65_534 && ports.low < ports.high)
  )
    throw new TypeError('ports: low and high are port numbers from 1024 to 65534, low the lesser one')
  if (!(punchMs >= 100 && punchMs <= 5_000)) throw new TypeError('punchMs: from 100 to 5000')
  return Object.freeze({
    name: NAME,
    contractVersion: TRANSPORT_CONTRACT_VERSION,
    capabilities: CAPABILITIES,
    create: (context: TransportContext) => createStrategy({ ...options, stun: stun.slice(0, MAX_SERVERS), ports, punchMs }, context)
  })
}

type CheckedOptions = HolePunchOptions & Required<Pick<HolePunchOptions, 'stun' | 'ports' | 'punchMs'>>

function createStrategy(options: CheckedOptions, context: TransportContext): TransportStrategy {
  const { stun, ports, punchMs, clock, bind = bindTcp(context), random = Math.random } = options
  const listeners = new Set<ListenOptions['onConnection']>()
  const calls = new Calls(context.localPeerId)
  const parts: PunchParts = {
    context,
    bind,
    stun: new ServerOrder(stun),
    ports,
    networkClock: clock,
    random,
    punchMs,
    slots: new Slots(),
    calls,
    listens: () => listeners.size > 0
  }
  const responder = new Responder(parts, (socket, remote) => {
    const [first] = listeners
    if (first === undefined) socket.destroy()
    else first(socket, remote)
  })
  let down = false
  let endHandling: (() => void) | undefined
  const shutDown = (): Error => punchErrors.create('ERR_PUNCH_SHUT_DOWN', 'The hole-punching transport was shut down')

  const stopListening = (onConnection: ListenOptions['onConnection'], reason: () => Error): void => {
    if (!listeners.delete(onConnection) || listeners.size > 0) return
    endHandling?.()
    endHandling = undefined
    calls.endIncoming(reason())
  }

  return {
    name: NAME,
    capabilities: CAPABILITIES,
    assess: assessPunch,

    async attempt(target, attemptOptions) {
      const { signal, progress } = attemptOptions
      signal.throwIfAborted()
      if (down) throw shutDown()
      const assessment = assessPunch(target)
      if (!isPeerId(target.device.id) || target.resolved.network === undefined)
        throw punchErrors.create('ERR_PUNCH_NO_ROUTE', assessment.usable ? 'The device cannot be signalled to' : assessment.reason)
      const controller = new AbortController()
      const onAbort = (): void => {
        controller.abort(signal.reason)
      }
      const end = calls.call(target.device.id, controller)
      signal.addEventListener('abort', onAbort, { once: true })
      try {
        const socket = await initiate(target, { signal: controller.signal, progress }, parts)
        // It may have come about in the very turn in which it was given up.
        if (!controller.signal.aborted) return socket
        socket.destroy()
        throw controller.signal.reason
      } finally {
        end()
        signal.removeEventListener('abort', onAbort)
      }
    },

    async listen({ onConnection }) {
      if (down) throw shutDown()
      // Each listener is its own, also when two have one callback.
      const accept: ListenOptions['onConnection'] = (socket, remote) => {
        onConnection(socket, remote)
      }
      endHandling ??= context.signaling.handle(MAPPINGS_KIND, (from, body, { signal }) => responder.handle(from, body, signal))
      listeners.add(accept)
      return {
        port: undefined,
        addresses: [],
        close: async () => {
          stopListening(accept, () => punchErrors.create('ERR_PUNCH_NOT_LISTENING', 'This device no longer accepts connections'))
        }
      }
    },

    async shutdown() {
      down = true
      calls.endAll(shutDown())
      for (const accept of [...listeners]) stopListening(accept, shutDown)
    }
  }
}
