import type { Clock, Logger } from '@kithmesh/core'
import { RateLimiter } from '@kithmesh/core/plugin'
import {
  decodeMessage,
  encodeMessage,
  isChannelData,
  type ReceivedMessage,
  type StunAttributes,
  type TransportAddress
} from '@kithmesh/stun'
import type { Socket } from 'node:net'
import type { PortSpan, RelayStatus } from '../contracts.ts'
import type { RelayLimits } from '../limits.ts'
import type { UserTable } from '../users.ts'
import { Allocations } from './allocations.ts'
import { Authentication, type Authenticated } from './authentication.ts'
import { decodeChannelFrame } from './channel-frames.ts'
import type { ClientPath } from './contracts.ts'
import { Nonces } from './nonces.ts'
import type { PeerPolicy } from './peer-policy.ts'
import type { RelayNames } from './relay-names.ts'
import type { TcpRelay } from './tcp-relay.ts'
import { Traffic } from './traffic.ts'
import { TurnRequests, type Answer } from './turn-requests.ts'

/** How often expired allocations are looked for; nobody can use one that is still there. */
const SWEEP_MS = 5_000
/** How much more than in the long run one address may be answered at once, in seconds. */
const BURST_SECONDS = 6

/** A binding request answers with more than an address: where from, and where else (RFC 5780 §6). */
export interface BindingPlace {
  /** Undefined when this server has no second address. */
  readonly other: TransportAddress | undefined
  /** How to answer from elsewhere; undefined when there is no such socket. */
  elsewhere(change: { readonly ip: boolean; readonly port: boolean }, path: ClientPath): ClientPath | undefined
}

export interface TurnServerOptions {
  readonly users: UserTable
  readonly policy: PeerPolicy
  readonly names: RelayNames
  readonly relayPorts: PortSpan
  readonly limits: RelayLimits
  readonly clock: Clock
  readonly logger: Logger
}

/** What a ConnectionBind turns its connection into: bytes of a relayed one. Gives away the socket, and what came behind the request. */
export type Detach = () => { readonly socket: Socket; readonly rest: Buffer }

/** STUN and TURN without the sockets that clients come to: frames in, frames out. */
export class TurnServer {
  readonly #options: TurnServerOptions
  readonly #allocations: Allocations
  readonly #waiting = new Map<number, TcpRelay>()
  readonly #authentication: Authentication
  readonly #requests: TurnRequests
  readonly #traffic: Traffic
  readonly #strangers: RateLimiter
  readonly #stopSweeping: () => void
  readonly #refused = new Map<number, number>()
  #answers = 0
  #dropped = 0

  constructor(options: TurnServerOptions) {
    const { users, limits, clock } = options
    this.#options = options
    this.#allocations = new Allocations(limits, clock)
    this.#traffic = new Traffic(limits.relayedBytesPerSecond, clock)
    this.#authentication = new Authentication(users, new Nonces(clock))
    this.#requests = new TurnRequests({ ...options, allocations: this.#allocations, waiting: this.#waiting, traffic: this.#traffic })
    const perSecond = limits.answersPerSecond
    this.#strangers = new RateLimiter({ clock, perAddress: { burst: BURST_SECONDS * perSecond, perMinute: 60 * perSecond } })
    this.#stopSweeping = clock.every(
      SWEEP_MS,
      () => {
        this.#allocations.sweep()
        this.#traffic.forget((username) => this.#allocations.uses(username))
      },
      { background: true }
    )
  }

  get status(): Pick<RelayStatus, 'stun' | 'turn'> {
    let connections = 0
    for (const { relay } of this.#allocations.all) if (relay.kind === 'tcp') connections += relay.size
    return {
      stun: { answers: this.#answers, dropped: this.#dropped },
      turn: {
        allocations: this.#allocations.size,
        connections,
        relayedBytes: this.#traffic.bytes,
        refused: Object.fromEntries(this.#refused)
      }
    }
  }

  /** Whether a relay has this address, as others know it. */
  isRelay({ address, port }: TransportAddress): boolean {
    for (const { relay } of this.#allocations.all) if (relay.relayed.port === port && relay.relayed.address === address) return true
    return false
  }

  hasAllocation(path: ClientPath): boolean {
    return this.#allocations.of(path) !== undefined || this.#allocations.isPending(path)
  }

  /** Whether channel data may come: on an expired channel they are lost, and no reason to close a connection. */
  acceptsChannels(path: ClientPath): boolean {
    return this.#allocations.of(path)?.relay.kind === 'udp'
  }

  /**
   * Takes one frame: a datagram, or what was cut out of a stream. What cannot be understood is ignored.
   * @param detach of a stream, for ConnectionBind.
   * @returns false for what is neither STUN nor channel data
   */
  receive(frame: Buffer, path: ClientPath, place: BindingPlace, detach?: Detach): boolean {
    if (isChannelData(frame)) return this.#receiveChannelData(frame, path)
    let message: ReceivedMessage
    try {
      message = decodeMessage(frame)
    } catch {
      return false
    }
    if (message.messageClass === 'indication') this.#receiveIndication(message, path)
    else if (message.messageClass === 'request') this.#receiveRequest(message, path, place, detach)
    return true
  }

  /** A client's connection is closed, and its allocation with it (RFC 8656 §3.1). */
  closed(path: ClientPath): void {
    this.#allocations.end(path)
  }

  disconnect(usernames: ReadonlySet<string>): void {
    this.#allocations.endOf((username) => usernames.has(username))
  }

  stop(): void {
    this.#stopSweeping()
    this.#allocations.endOf(() => true)
  }

  #receiveChannelData(frame: Buffer, path: ClientPath): boolean {
    const relay = this.#allocations.of(path)?.relay
    const data = decodeChannelFrame(frame)
    if (relay?.kind !== 'udp' || data === undefined) return false
    const peer = relay.channels.peerOf(data.channel)
    if (peer !== undefined) relay.send(data.data, peer)
    return true
  }

  #receiveIndication({ method, attributes, unknownRequired }: ReceivedMessage, path: ClientPath): void {
    const relay = method === 'send' ? this.#allocations.of(path)?.relay : undefined
    const peer = attributes.xorPeerAddress?.[0]
    if (relay?.kind !== 'udp' || peer === undefined || attributes.data === undefined) return
    if (unknownRequired.length === 0 && attributes.dontFragment !== true) relay.send(attributes.data, peer)
  }

  #receiveRequest(message: ReceivedMessage, path: ClientPath, place: BindingPlace, detach: Detach | undefined): void {
    if (message.method === 'binding') {
      this.#bind(message, path, place)
      return
    }
    const who = this.#authentication.check(message, path.remote.address)
    if ('code' in who) {
      if (message.signed.sha1 || message.signed.sha256) this.#countRefusal(who.code)
      this.#toStranger(path, () => encode(message, who))
      return
    }
    if (message.unknownRequired.length > 0) this.#reply(message, path, who, unknownAttributes(message.unknownRequired))
    else if (message.method === 'connectionBind') this.#connectionBind(message, path, who, detach)
    else {
      const answer = this.#requests.answer(message, path, who)
      if (!(answer instanceof Promise)) this.#reply(message, path, who, answer)
      else
        answer.then(
          (settled) => {
            this.#reply(message, path, who, settled)
          },
          (error: unknown) => {
            this.#options.logger.error('A TURN request failed', { error, method: message.method })
            this.#reply(message, path, who, { code: 500, reason: 'Server Error' })
          }
        )
    }
  }

  #bind(message: ReceivedMessage, path: ClientPath, place: BindingPlace): void {
    const { changeRequest, responsePort } = message.attributes
    const moved = changeRequest !== undefined && (changeRequest.ip || changeRequest.port)
    const from = moved ? place.elsewhere(changeRequest, path) : path
    // A server that cannot answer from elsewhere does not know the attribute (RFC 5780 §6.1); nobody is answered to a port of choice.
    const unknown = [...message.unknownRequired, ...(from === undefined ? [0x0003] : []), ...(responsePort === undefined ? [] : [0x0027])]
    this.#toStranger(path, () => {
      this.#answers++
      if (unknown.length > 0 || from === undefined) return encode(message, unknownAttributes(unknown))
      const { other } = place
      const attributes = { xorMappedAddress: path.remote, responseOrigin: from.local, ...(other !== undefined && { otherAddress: other }) }
      from.send(encode(message, { attributes }))
      return undefined
    })
  }

  /** RFC 6062 §5.4. */
  #connectionBind(message: ReceivedMessage, path: ClientPath, who: Authenticated, detach: Detach | undefined): void {
    const id = message.attributes.connectionId
    const relay = id === undefined ? undefined : this.#waiting.get(id)
    if (id === undefined || relay === undefined || detach === undefined || this.hasAllocation(path)) {
      this.#reply(message, path, who, { code: 400, reason: 'Bad Request' })
      return
    }
    if (relay.username !== who.username) {
      this.#reply(message, path, who, { code: 441, reason: 'Wrong Credentials' })
      return
    }
    this.#reply(message, path, who, { attributes: {} })
    const { socket, rest } = detach()
    relay.bind(id, socket, rest)
  }

  #reply(message: ReceivedMessage, path: ClientPath, who: Authenticated, answer: Answer): void {
    if (answer === undefined) return
    if ('code' in answer) this.#countRefusal(answer.code)
    path.send(encode(message, answer, who))
  }

  /** Answers somebody who has not shown a login, unless the address asks too often: over UDP it may be somebody else's. */
  #toStranger(path: ClientPath, answer: () => Buffer | undefined): void {
    if (!this.#strangers.take(path.remote.address)) {
      this.#dropped++
      return
    }
    const frame = answer()
    if (frame !== undefined) path.send(frame)
  }

  #countRefusal(code: number): void {
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1)
  }
}

function unknownAttributes(types: readonly number[]): NonNullable<Answer> {
  return { code: 420, reason: 'Unknown Attribute', attributes: { unknownAttributes: types } }
}

function encode(request: ReceivedMessage, answer: NonNullable<Answer>, who?: Authenticated): Buffer {
  const { method, transactionId, fingerprint } = request
  const attributes: StunAttributes =
    'code' in answer ? { errorCode: { code: answer.code, reason: answer.reason }, ...answer.attributes } : answer.attributes
  const messageClass = 'code' in answer ? 'error' : 'success'
  return encodeMessage({ method, messageClass, transactionId, attributes }, { fingerprint, ...(who && { integrity: who.integrity }) })
}
