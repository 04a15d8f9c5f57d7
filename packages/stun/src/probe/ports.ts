import type { Clock } from '@kithmesh/core'
import { errorCode, isKithmeshError } from '@kithmesh/core'
import type { TransportAddress } from '../codec/transport-address.ts'
import { openStunTcp } from '../stream/client.ts'
import type { StunTcp } from '../stream/client.ts'
import type { StunTlsOptions } from '../stream/dial.ts'
import type { BindingResult } from '../transaction/binding.ts'
import { openStunUdp } from '../udp/socket.ts'

/** A server at one address. */
export interface ProbeTarget extends TransportAddress {
  /** For servers that are asked over TLS; `host` is the name that certificates must have. */
  readonly tls?: (StunTlsOptions & { readonly host: string }) | undefined
}

/**
 * How asking ended. `refused`: something answered, though not with an address, so packets get there and back; `local`: the question never
 * left this machine.
 */
export type Outcome = { readonly kind: 'answer'; readonly result: BindingResult } | { readonly kind: 'silent' | 'refused' | 'local' }

export interface AskOptions {
  readonly deadlineMs: number
  readonly signal: AbortSignal
  /** Whether a datagram is sent again while there is no answer. */
  readonly again: boolean
}

/** A local port from which servers are asked what they see. */
export interface ProbePort {
  readonly local: TransportAddress
  /** Never rejects. */
  ask(target: ProbeTarget, options: AskOptions): Promise<Outcome>
  close(): Promise<void>
}

export interface AskElsewhereOptions extends AskOptions {
  /** What the answer shall come from, other than what was asked (RFC 5780 §7.2). */
  readonly change: { readonly ip: boolean; readonly port: boolean }
  /** Without magic cookie: some servers honour the request only so (p2pd.md §2.3). */
  readonly legacy: boolean
}

/** A UDP port, which can also ask a server to answer from elsewhere. */
export interface UdpProbePort extends ProbePort {
  /** Where the answer came from; `refused` when the server says that it does not do that, undefined when there was none. Never rejects. */
  askElsewhere(target: ProbeTarget, options: AskElsewhereOptions): Promise<TransportAddress | 'refused' | undefined>
}

const RTO_MS = 110
const TRANSMISSIONS = 3

/** @throws ERR_STUN_SOCKET when the port is taken, or the address is not of this machine. */
export async function openUdpPort(local: TransportAddress, clock: Clock): Promise<UdpProbePort> {
  const socket = await openStunUdp({ localAddress: local.address, localPort: local.port, clock })
  const sending = ({ deadlineMs, signal, again }: AskOptions) => ({
    deadlineMs,
    signal,
    rtoMs: again ? RTO_MS : deadlineMs,
    transmissions: again ? TRANSMISSIONS : 1
  })
  return {
    local: { address: local.address, port: socket.localPort },
    async ask(target, options) {
      try {
        return { kind: 'answer', result: await socket.bind(target, sending(options)) }
      } catch (error) {
        return outcomeOf(error)
      }
    },
    async askElsewhere(target, options) {
      const { change, legacy } = options
      try {
        const request = { method: 'binding', attributes: { changeRequest: change }, legacy } as const
        const { message, from } = await socket.request(request, target, { ...sending(options), acceptFrom: () => true })
        return message.messageClass === 'success' ? from : 'refused'
      } catch {
        return undefined
      }
    },
    close: () => socket.close()
  }
}

/** A local TCP port. Each question is a connection of its own from there, which stays open until the port is closed. */
export function tcpPort(local: TransportAddress, clock: Clock): ProbePort {
  const connections: StunTcp[] = []
  let closed = false
  return {
    local,
    async ask(target, { deadlineMs, signal }) {
      const until = clock.monotonic() + deadlineMs
      try {
        const connection = await openStunTcp({
          server: target,
          localAddress: local.address,
          localPort: local.port,
          clock,
          signal,
          deadlineMs,
          ...(target.tls === undefined ? {} : { tls: target.tls })
        })
        connections.push(connection)
        if (closed) await connection.close()
        return { kind: 'answer', result: await connection.bind({ signal, deadlineMs: Math.max(1, until - clock.monotonic()) }) }
      } catch (error) {
        return outcomeOf(error)
      }
    },
    async close() {
      closed = true
      await Promise.all(connections.map((connection) => connection.close()))
    }
  }
}

/** What Node says when packets do not get out, or nothing comes back. */
const SILENT_CODES = ['ETIMEDOUT', 'ENETUNREACH', 'EHOSTUNREACH', 'ENETDOWN', 'EHOSTDOWN', 'EACCES', 'EPERM']

function outcomeOf(error: unknown): Outcome {
  if (!isKithmeshError(error)) return { kind: 'silent' }
  if (error.code === 'ERR_STUN_SOCKET') return { kind: 'local' }
  if (error.code === 'ERR_STUN_TIMEOUT') return { kind: 'silent' }
  return { kind: SILENT_CODES.includes(errorCode(error.cause) ?? '') ? 'silent' : 'refused' }
}
