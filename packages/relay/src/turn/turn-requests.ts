import { addressFamily, type ReceivedMessage, type StunAttributes, type TransportAddress } from '@kithmesh/stun'
import type { Clock, Logger } from '@kithmesh/core'
import type { PortSpan } from '../contracts.ts'
import type { RelayLimits } from '../limits.ts'
import type { Allocation, Allocations } from './allocations.ts'
import type { Authenticated, Refusal } from './authentication.ts'
import type { ClientPath, RelayCommon } from './contracts.ts'
import type { PeerPolicy } from './peer-policy.ts'
import { Permissions } from './permissions.ts'
import type { RelayNames } from './relay-names.ts'
import { onFreePort, openTcp, openUdp } from './sockets.ts'
import { TcpRelay, type WaitingConnections } from './tcp-relay.ts'
import type { Traffic } from './traffic.ts'
import { UdpRelay } from './udp-relay.ts'

/** What a request is answered; undefined when nothing is, because the answer is on its way already. */
export type Answer = { readonly attributes: StunAttributes } | Refusal | undefined

/** Seconds, of an allocation that nobody asked another lifetime for, and the shortest that is granted (RFC 8656 §3.2). */
const LIFETIME_S = 600
const UDP = 17
const TCP = 6
const DONT_FRAGMENT = 0x001a

const refuse = (code: number, reason: string): Refusal => ({ code, reason })
const badRequest = refuse(400, 'Bad Request')
const mismatch = refuse(437, 'Allocation Mismatch')
const wrongUser = refuse(441, 'Wrong Credentials')
const wrongFamily = refuse(443, 'Peer Address Family Mismatch')
const forbidden = refuse(403, 'Forbidden')
const noCapacity = refuse(508, 'Insufficient Capacity')

export interface TurnRequestsOptions {
  readonly allocations: Allocations
  readonly waiting: WaitingConnections
  readonly policy: PeerPolicy
  readonly names: RelayNames
  readonly traffic: Traffic
  readonly relayPorts: PortSpan
  readonly limits: RelayLimits
  readonly clock: Clock
  readonly logger: Logger
}

/** What the methods of TURN do (RFC 8656 §7 to §12, RFC 6062 §5), for requests that are authenticated. */
export class TurnRequests {
  readonly #options: TurnRequestsOptions

  constructor(options: TurnRequestsOptions) {
    this.#options = options
  }

  answer(message: ReceivedMessage, path: ClientPath, who: Authenticated): Answer | Promise<Answer> {
    const { method, attributes } = message
    const allocation = this.#options.allocations.of(path)
    if (method === 'allocate') return this.#allocate(message, path, who, allocation)
    if (method === 'refresh') return this.#refresh(attributes, who, allocation)
    if (allocation === undefined) return mismatch
    if (allocation.username !== who.username) return wrongUser
    if (method === 'createPermission') return this.#createPermission(attributes, allocation)
    if (method === 'channelBind') return this.#channelBind(attributes, allocation)
    if (method === 'connect') return this.#connect(attributes, allocation)
    return badRequest
  }

  #allocate(message: ReceivedMessage, path: ClientPath, who: Authenticated, there: Allocation | undefined): Answer | Promise<Answer> {
    const { attributes } = message
    const transactionId = Buffer.from(message.transactionId).toString('hex')
    const { allocations, names } = this.#options
    if (there !== undefined) return there.transactionId === transactionId ? { attributes: there.answer } : mismatch
    if (allocations.isPending(path)) return undefined
    const { requestedTransport, requestedAddressFamily = 4, evenPort, reservationToken, dontFragment } = attributes
    if (requestedTransport === undefined) return badRequest
    if (requestedTransport !== UDP && requestedTransport !== TCP) return refuse(442, 'Unsupported Transport Protocol')
    // RFC 6062 §5.1: such an allocation needs a connection, and knows no ports that are even or reserved.
    if (requestedTransport === TCP && (path.transport !== 'tcp' || evenPort !== undefined || reservationToken !== undefined))
      return badRequest
    if (dontFragment === true) return { code: 420, reason: 'Unknown Attribute', attributes: { unknownAttributes: [DONT_FRAGMENT] } }
    if (reservationToken !== undefined || evenPort?.reserveNext === true) return noCapacity
    const bind = names.bindFor(requestedAddressFamily, path.local.address)
    if (bind === undefined) return refuse(440, 'Address Family not Supported')
    const place = allocations.reserve(path, who.username)
    if (place !== 'reserved') return place === 486 ? refuse(486, 'Allocation Quota Reached') : noCapacity
    const kind = requestedTransport === TCP ? 'tcp' : 'udp'
    return this.#open({
      kind,
      bind,
      even: evenPort !== undefined,
      family: requestedAddressFamily,
      path,
      who,
      transactionId,
      wanted: attributes.lifetime
    })
  }

  async #open(wish: {
    readonly kind: 'udp' | 'tcp'
    readonly bind: string
    readonly even: boolean
    readonly family: 4 | 6
    readonly path: ClientPath
    readonly who: Authenticated
    readonly transactionId: string
    readonly wanted: number | undefined
  }): Promise<Answer> {
    const { kind, bind, even, family, path, who, transactionId, wanted } = wish
    const { allocations, waiting, policy, names, traffic, relayPorts, limits, clock, logger } = this.#options
    const permissions = new Permissions(limits.permissionsPerAllocation, clock)
    const common: RelayCommon = { username: who.username, path, permissions, policy, traffic, names, limits, clock, logger }
    const relay = await onFreePort(relayPorts, even, async (port) => {
      const where = { address: bind, port }
      if (kind === 'tcp') {
        const { server, local } = await openTcp(where)
        return new TcpRelay(server, local, common, waiting)
      }
      let receive: (data: Buffer, from: TransportAddress) => void = () => {}
      const udp = new UdpRelay(await openUdp(where, (data, from) => receive(data, from)), common)
      receive = (data, from) => {
        udp.receive(data, from)
      }
      return udp
    })
    if (relay === undefined) {
      allocations.settle(path, undefined)
      return noCapacity
    }
    const lifetime = this.#lifetime(wanted)
    const answer: StunAttributes = { xorRelayedAddress: relay.relayed, lifetime, xorMappedAddress: path.remote }
    const expiresAt = clock.monotonic() + lifetime * 1_000
    const allocation: Allocation = { username: who.username, path, family, relay, permissions, transactionId, answer, expiresAt }
    return allocations.settle(path, allocation) ? { attributes: answer } : undefined
  }

  #refresh({ lifetime, requestedAddressFamily }: StunAttributes, who: Authenticated, allocation: Allocation | undefined): Answer {
    if (allocation === undefined) return lifetime === 0 ? { attributes: { lifetime: 0 } } : mismatch
    if (allocation.username !== who.username) return wrongUser
    if (requestedAddressFamily !== undefined && requestedAddressFamily !== allocation.family) return wrongFamily
    if (lifetime === 0) {
      this.#options.allocations.end(allocation.path)
      return { attributes: { lifetime: 0 } }
    }
    const granted = this.#lifetime(lifetime)
    allocation.expiresAt = this.#options.clock.monotonic() + granted * 1_000
    return { attributes: { lifetime: granted } }
  }

  #createPermission({ xorPeerAddress = [] }: StunAttributes, { family, permissions }: Allocation): Answer {
    if (xorPeerAddress.length === 0) return badRequest
    if (xorPeerAddress.some(({ address }) => addressFamily(address) !== family)) return wrongFamily
    if (xorPeerAddress.some(({ address }) => this.#options.policy.whyNotPermit(address) !== undefined)) return forbidden
    return permissions.grant(xorPeerAddress.map(({ address }) => address)) ? { attributes: {} } : noCapacity
  }

  #channelBind({ channelNumber, xorPeerAddress }: StunAttributes, { family, permissions, relay }: Allocation): Answer {
    const peer = xorPeerAddress?.[0]
    if (channelNumber === undefined || peer === undefined || relay.kind !== 'udp') return badRequest
    if (addressFamily(peer.address) !== family) return wrongFamily
    if (this.#options.policy.whyNotRelay(peer) !== undefined) return forbidden
    const bound = relay.channels.bind(channelNumber, peer)
    if (bound !== 'bound') return bound === 'full' ? noCapacity : badRequest
    return permissions.grant([peer.address]) ? { attributes: {} } : noCapacity
  }

  async #connect({ xorPeerAddress }: StunAttributes, { family, relay }: Allocation): Promise<Answer> {
    const peer = xorPeerAddress?.[0]
    if (peer === undefined || relay.kind !== 'tcp') return badRequest
    if (addressFamily(peer.address) !== family) return wrongFamily
    const result = await relay.connect(peer)
    return typeof result === 'number' ? { attributes: { connectionId: result } } : result
  }

  #lifetime(wanted: number = LIFETIME_S): number {
    return Math.min(Math.max(wanted, LIFETIME_S), this.#options.limits.lifetimeSeconds)
  }
}
