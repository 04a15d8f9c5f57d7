import { randomBytes } from 'node:crypto'
import type { Duplex } from 'node:stream'
import {
  type Assessment,
  type AttemptOptions,
  type ConnectTarget,
  errorCode,
  joinSignals,
  limitedSignal,
  type ListenOptions,
  type SignalingBody,
  type TransportContext,
  type TransportListener,
  type TransportStrategy
} from '@kithmesh/core/plugin'
import { formatTransportAddress } from '@kithmesh/stun'
import { type Allocated, allocateRelay, type CreateTurnClient } from './allocate.ts'
import { turnErrors } from './errors.ts'
import { goToRelay } from './guest.ts'
import { RelayHost } from './host.ts'
import { externalAddresses, FOREIGN_RELAY_RANK, ONLY_RELAY_RANK, onlyRelay, RELAY_RANK } from './likelihood.ts'
import { ATTEMPT_MS, MEET_MS } from './limits.ts'
import {
  formatOffer,
  formatRelay,
  ID_BYTES,
  MAX_ADDRESSES,
  type Offer,
  parseAddresses,
  parseOffer,
  parseRelay,
  SECRET_BYTES
} from './offer.ts'
import { type Relay, TURN_OFFER } from './offer.ts'
import { OwnServers } from './own-servers.ts'
import { PeerRequests } from './peer-requests.ts'
import type { TurnServer, Way } from './ways.ts'

/** The other device may have to ask for a relay first. */
const FOREIGN_RELAY_MS = 9_000
const SIGNAL_MS = 5_000

type Progress = AttemptOptions['progress']

/** What one attempt, on either side, goes by. */
interface Meeting {
  readonly peerId: string
  readonly id: string
  readonly secret: Buffer
  readonly role: 'initiator' | 'responder'
  readonly signal: AbortSignal
  readonly progress: Progress
}

/** See {@link turn}. One file because who invites, visits and answers depends on the same servers, waiting relays and listeners. */
export class TurnStrategy implements TransportStrategy {
  readonly name = 'turn'
  readonly capabilities = Object.freeze({ listens: true, relayed: true })
  readonly #context: TransportContext
  readonly #ways: readonly Way[]
  readonly #createClient: CreateTurnClient
  readonly #own: OwnServers
  readonly #requests: PeerRequests
  /** Relays of ours that wait for their guests, by peer and id of the offer. */
  readonly #hosts = new Map<string, RelayHost>()
  readonly #listeners = new Set<ListenOptions['onConnection']>()
  readonly #life = new AbortController()
  /** Aborts when nobody listens any more: what was begun for peers is given up. */
  #listening = new AbortController()
  readonly #unhandle: () => void

  constructor(context: TransportContext, servers: readonly TurnServer[], ways: readonly Way[], createClient: CreateTurnClient) {
    this.#context = context
    this.#ways = ways
    this.#createClient = createClient
    this.#own = new OwnServers(servers, context.clock)
    this.#requests = new PeerRequests(context)
    this.#unhandle = context.signaling.handle(TURN_OFFER, (from, body) => this.#answer(from, body))
  }

  assess({ device, resolved, localNetwork }: ConnectTarget): Assessment {
    const { network } = resolved
    if (network === undefined)
      return { usable: false, reason: 'this sighting of the device came without signalling, by which a relay is agreed on' }
    if (!this.#context.signaling.reaches(device.id)) return { usable: false, reason: 'no signalling reaches the device' }
    if (this.#ways.length === 0) return { usable: true, rank: FOREIGN_RELAY_RANK }
    return { usable: true, rank: onlyRelay(localNetwork, network) ? ONLY_RELAY_RANK : RELAY_RANK }
  }

  async attempt({ device, resolved }: ConnectTarget, { signal, progress }: AttemptOptions): Promise<Duplex> {
    signal.throwIfAborted()
    this.#life.signal.throwIfAborted()
    const late = (): Error => turnErrors.create('ERR_TURN_TIMEOUT', `No connection over a relay within ${ATTEMPT_MS} ms`)
    const limit = limitedSignal(this.#context.clock, ATTEMPT_MS, late, signal, this.#life.signal)
    const { signal: bounded } = limit
    const known = resolved.network === undefined ? [] : externalAddresses(resolved.network)
    try {
      const stream = await this.#connect(device.id, known, bounded, progress)
      if (!bounded.aborted) return stream
      stream.destroy()
      throw bounded.reason
    } catch (error) {
      // Whatever was under way broke because of the abort.
      throw bounded.aborted ? bounded.reason : error
    } finally {
      limit.release()
    }
  }

  async listen({ onConnection }: ListenOptions): Promise<TransportListener> {
    this.#life.signal.throwIfAborted()
    const accept: ListenOptions['onConnection'] = (socket, remote) => {
      onConnection(socket, remote)
    }
    this.#listeners.add(accept)
    return {
      port: undefined,
      addresses: [],
      close: async () => {
        if (!this.#listeners.delete(accept) || this.#listeners.size > 0) return
        this.#listening.abort(turnErrors.create('ERR_TURN_NOT_LISTENING', 'This device no longer accepts connections'))
        this.#listening = new AbortController()
      }
    }
  }

  async shutdown(): Promise<void> {
    if (!this.#life.signal.aborted) this.#life.abort(turnErrors.create('ERR_TURN_SHUT_DOWN', 'The relay transport was shut down'))
    this.#unhandle()
    this.#listeners.clear()
    await Promise.all([...this.#hosts.values()].map((host) => host.over))
  }

  /** With a relay of ours; over one for datagrams when nobody came to one for connections; with one of the peer's when we get none. */
  async #connect(peerId: string, known: readonly string[], signal: AbortSignal, progress: Progress): Promise<Duplex> {
    const meeting = (): Meeting => ({
      peerId,
      id: randomBytes(ID_BYTES).toString('hex'),
      secret: randomBytes(SECRET_BYTES),
      role: 'initiator',
      signal,
      progress
    })
    if (this.#ways.length === 0) return await this.#visit(meeting())
    let allocated: Allocated
    try {
      allocated = await this.#allocate(this.#ways, signal, progress)
    } catch (error) {
      signal.throwIfAborted()
      return await this.#visit(meeting()).catch((second: unknown) => {
        throw errorCode(second) === 'ERR_TURN_NONE' ? error : second
      })
    }
    try {
      return await this.#invite(meeting(), allocated, known)
    } catch (error) {
      const notMet = errorCode(error) === 'ERR_TURN_CONNECT' || errorCode(error) === 'ERR_TURN_LOST'
      if (signal.aborted || !notMet || allocated.kind === 'udp' || datagrams(this.#ways).length === 0) throw error
      this.#context.logger.info('Nobody came to the relay for connections; datagrams are tried', { error })
    }
    return await this.#invite(meeting(), await this.#allocate(datagrams(this.#ways), signal, progress), known)
  }

  /** Has the peer come to a relay of ours. */
  async #invite(meeting: Meeting, allocated: Allocated, known: readonly string[]): Promise<Duplex> {
    const { id, secret, progress } = meeting
    const host = this.#open(meeting, allocated)
    let met = false
    const ask = async (): Promise<void> => {
      const permitted = host.permit(known)
      const answer = await this.#ask(meeting, { step: 'offer', id, secret, relay: allocated.relay, addresses: [] }, SIGNAL_MS)
      await Promise.all([permitted, host.permit(parseAddresses(answer))])
      if (!met) progress('connect', formatTransportAddress(allocated.relay.address))
    }
    progress('signal')
    // The peer may come before its answer, or although the answer is lost: it has proved then that it agrees.
    ask().catch((error: unknown) => {
      host.cancel(error)
    })
    try {
      return await host.stream
    } finally {
      met = true
    }
  }

  /** Goes to a relay of the peer's. */
  async #visit(meeting: Meeting): Promise<Duplex> {
    const { id, secret, progress } = meeting
    progress('signal')
    const addresses = this.#addresses()
    const answer = await this.#ask(meeting, { step: 'offer', id, secret, relay: undefined, addresses }, FOREIGN_RELAY_MS)
    return await this.#goTo(meeting, parseRelay(answer['relay']), addresses)
  }

  async #answer(peerId: string, body: SignalingBody): Promise<SignalingBody> {
    const offer = parseOffer(body)
    if (offer.step === 'permit') {
      await this.#hosts.get(`${peerId} ${offer.id}`)?.permit(offer.addresses)
      return {}
    }
    if (this.#listeners.size === 0) throw turnErrors.create('ERR_TURN_NOT_LISTENING', 'This device accepts no connections')
    const meeting: Omit<Meeting, 'signal'> = { ...offer, peerId, role: 'responder', progress: () => {} }
    if (offer.relay === undefined) return await this.#hostFor(meeting, offer.addresses)
    const { relay } = offer
    const addresses = this.#addresses()
    // The answer does not wait: the peer lets the addresses through meanwhile.
    this.#run(meeting, async (run) => {
      this.#handOver(await this.#goTo(run, relay, addresses), relay)
    })
    return { addresses }
  }

  /** Asks for a relay because the peer has none. */
  async #hostFor(meeting: Omit<Meeting, 'signal'>, addresses: readonly string[]): Promise<SignalingBody> {
    if (this.#ways.length === 0) throw turnErrors.create('ERR_TURN_NONE', 'Neither of the two devices has a relay')
    return await new Promise<SignalingBody>((resolve, reject) => {
      this.#run(
        meeting,
        async (run) => {
          const allocated = await this.#allocate(this.#ways, run.signal, run.progress)
          const host = this.#open(run, allocated)
          await host.permit(addresses)
          resolve({ relay: formatRelay(allocated.relay) })
          this.#handOver(await host.stream, allocated.relay)
        },
        reject
      )
    })
  }

  /** Runs what a peer asked for, as long as this device listens. @throws ERR_TURN_BUSY */
  #run(asked: Omit<Meeting, 'signal'>, task: (meeting: Meeting) => Promise<void>, failed?: (error: unknown) => void): void {
    const run = async (): Promise<void> => {
      const ending = joinSignals(this.#life.signal, this.#listening.signal)
      await task({ ...asked, signal: ending.signal }).finally(ending.release)
    }
    this.#requests.run(asked.peerId, run, failed)
  }

  #open({ peerId, id, secret, role, signal, progress }: Meeting, allocated: Allocated): RelayHost {
    const { clock, logger } = this.#context
    const key = `${peerId} ${id}`
    const host = new RelayHost({ allocated, secret, role, clock, logger, signal, deadlineMs: MEET_MS, progress })
    this.#hosts.set(key, host)
    const forget = (): void => {
      this.#hosts.delete(key)
    }
    void host.over.then(forget)
    return host
  }

  async #goTo(meeting: Meeting, relay: Relay, known: readonly string[]): Promise<Duplex> {
    const { id, secret, role, signal, progress } = meeting
    const { clock, logger } = this.#context
    const refused = await this.#refuse(meeting.peerId, relay.address)
    const stun = relay.stun === undefined || (await this.#refuse(meeting.peerId, relay.stun)) !== undefined ? undefined : relay.stun
    const ways = this.#ways
    return await goToRelay({
      relay: { ...relay, stun },
      secret,
      role,
      refused,
      known,
      tell: async (address) => {
        await this.#ask(meeting, { step: 'permit', id, addresses: [address] }, SIGNAL_MS)
      },
      allocate: ways.some(({ kind }) => kind === relay.kind)
        ? async (kind, unwanted) =>
            await this.#allocate(
              ways.filter((way) => way.kind === kind),
              unwanted,
              progress
            )
        : undefined,
      clock,
      logger,
      signal,
      progress
    })
  }

  async #refuse(peerId: string, { address, port }: { readonly address: string; readonly port: number }): Promise<string | undefined> {
    // Relays are above the ports of system services (RFC 8656 §7.2), so that nobody can have us use those of a server that we know.
    return port >= 1024 && (await this.#own.has(address)) ? undefined : this.#context.dialPolicy.refuse(peerId, address, port)
  }

  async #allocate(ways: readonly Way[], signal: AbortSignal, progress: Progress): Promise<Allocated> {
    const { clock, logger } = this.#context
    const allocated = await allocateRelay(ways, { createClient: this.#createClient, clock, logger, signal, progress })
    this.#own.add(allocated.allocation.server.address)
    return allocated
  }

  /** Asks the peer; waits a little and asks again while it has too much to do. @throws ERR_TURN_SIGNAL, ERR_TURN_NONE or the signal's reason */
  async #ask(meeting: Meeting, offer: Offer, timeoutMs: number): Promise<SignalingBody> {
    return await this.#requests.ask(meeting.peerId, formatOffer(offer), { timeoutMs, signal: meeting.signal })
  }

  #addresses(): readonly string[] {
    return externalAddresses(this.#context.network.current).slice(0, MAX_ADDRESSES)
  }

  #handOver(stream: Duplex, relay: Relay): void {
    const accept = [...this.#listeners].at(-1)
    if (accept === undefined) {
      stream.destroy()
      return
    }
    accept(stream, formatTransportAddress(relay.address))
  }
}

const datagrams = (ways: readonly Way[]): readonly Way[] => ways.filter(({ kind }) => kind === 'udp')
