import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { Aedes, type AedesOptions, type AuthErrorCode, type Client } from 'aedes'
import type { Clock, Logger } from '@kithmesh/core'
import { RateLimiter } from '@kithmesh/core/plugin'
import { formatTransportAddress, type TransportAddress } from '@kithmesh/stun'
import type { RelayStatus } from '../contracts.ts'
import type { RelayLimits } from '../limits.ts'
import type { UserTable } from '../users.ts'
import { CleanSessions } from './clean-sessions.ts'
import { ClientStream } from './client-stream.ts'
import { RetainedStore } from './retained-store.ts'
import type { TopicPolicy } from './topic-policy.ts'

/** From the connection to CONNECT. */
const GREETING_MS = 10_000
/** How long somebody with a wrong password waits for the answer. */
const REFUSAL_MS = 500
const STOP_MS = 2_000
const SWEEP_MS = 60_000
/** Wrong logins of one address that are looked at: a few devices with an old password, and nobody who tries them all. */
const LOGIN_TRIES = { burst: 20, perMinute: 6 }
/** Answers of CONNACK (MQTT 3.1.1 §3.2.2.3). */
const OTHER_VERSION = 1
const UNAVAILABLE = 3 as AuthErrorCode
const BAD_LOGIN = 4 as AuthErrorCode
const NOT_AUTHORIZED = 5 as AuthErrorCode

export interface BrokerOptions {
  readonly users: UserTable
  readonly topics: TopicPolicy
  readonly limits: RelayLimits
  readonly clock: Clock
  readonly logger: Logger
}

type Handlers = Required<Pick<AedesOptions, 'preConnect' | 'authenticate' | 'authorizePublish' | 'authorizeSubscribe'>>

/** Of a publication, or a last will, what it is judged by. */
interface Publication {
  readonly topic: string
  readonly payload: string | Buffer
  readonly qos?: 0 | 1 | 2
  readonly retain?: boolean
}

interface LoginRefusal {
  readonly returnCode: AuthErrorCode
  readonly reason: string
}

const badLogin: LoginRefusal = { returnCode: BAD_LOGIN, reason: 'wrong user name or password' }

/** What is remembered of a client beside what aedes does. */
interface Guest {
  readonly from: string
  readonly address: string
  readonly stream: ClientStream
  readonly subscriptions: Set<string>
  /** Topics on which it left a message. */
  readonly retained: Set<string>
  username: string
  /** Why its last will cannot be taken. */
  badWill: string | undefined
}

/** An MQTT 3.1.1 broker for the topics of Kithmesh: aedes, with everything bounded that aedes leaves to who embeds it. */
export class Broker {
  readonly #options: BrokerOptions
  readonly #guests = new WeakMap<Client, Guest>()
  readonly #connected = new Set<Guest>()
  readonly #tries: RateLimiter
  #retained: RetainedStore
  #aedes: Aedes | undefined
  #stopSweeping = (): void => {}
  #messages = 0
  #refused = 0

  constructor(options: BrokerOptions) {
    this.#options = options
    this.#retained = new RetainedStore(options.limits)
    this.#tries = new RateLimiter({ clock: options.clock, perAddress: LOGIN_TRIES })
  }

  get status(): RelayStatus['broker'] {
    return { clients: this.#aedes?.connectedClients ?? 0, retained: this.#retained.size, messages: this.#messages, refused: this.#refused }
  }

  async start(): Promise<void> {
    const { clock, limits } = this.#options
    this.#messages = 0
    this.#refused = 0
    const retained = new RetainedStore(limits)
    this.#retained = retained
    const sessions = new CleanSessions(retained, clock)
    const aedes = await Aedes.createBroker({
      persistence: sessions,
      connectTimeout: GREETING_MS,
      // Nothing waits for a slow client, see ClientStream, so that there is nothing to hold back either.
      concurrency: 0,
      drainTimeout: 0,
      maxTopicLevels: 16,
      ...this.#handlers()
    })
    // aedes asks for the retained messages in the same turn in which it tells of the subscription.
    let subscriber: ClientStream | undefined
    aedes.on('subscribe', (_subscriptions, client) => {
      subscriber = this.#guests.get(client)?.stream
    })
    sessions.pace = () => {
      const stream = subscriber
      subscriber = undefined
      return () => stream?.paced() ?? Promise.resolve()
    }
    aedes.on('unsubscribe', (filters, client) => {
      for (const filter of filters) this.#guests.get(client)?.subscriptions.delete(filter)
    })
    aedes.on('publish', (_packet, client) => {
      if (client !== null) this.#messages++
    })
    const failed = (client: Client, error: Error & { errorCode?: number }): void => {
      // Clients that know MQTT 5 try that first, and come again.
      if (error.errorCode === OTHER_VERSION) return
      if (error.errorCode === undefined) this.#refused++
      this.#options.logger.info('A client of the broker was cut off', { from: this.#guests.get(client)?.from, reason: error.message })
    }
    aedes.on('clientError', failed)
    aedes.on('connectionError', failed)
    ;(aedes as NodeJS.EventEmitter).on('error', (error: unknown) => {
      this.#options.logger.error('The broker failed at something', { error })
    })
    this.#aedes = aedes
    this.#stopSweeping = clock.every(
      SWEEP_MS,
      () => {
        retained.sweep(clock.monotonic())
      },
      { background: true }
    )
  }

  /** Takes a connection over. */
  accept(socket: Socket, from: TransportAddress): void {
    if (this.#aedes === undefined) {
      socket.destroy()
      return
    }
    const stream = new ClientStream(socket, this.#options.limits, this.#options.clock)
    const client = this.#aedes.handle(stream)
    const guest: Guest = {
      from: formatTransportAddress(from),
      address: from.address,
      stream,
      subscriptions: new Set(),
      retained: new Set(),
      username: '',
      badWill: undefined
    }
    this.#guests.set(client, guest)
    this.#connected.add(guest)
    stream.once('close', () => this.#connected.delete(guest))
  }

  /** Ends the connections of users. */
  disconnect(usernames: ReadonlySet<string>): void {
    for (const { username, stream } of this.#connected) if (usernames.has(username)) stream.destroy()
  }

  async stop(): Promise<void> {
    const aedes = this.#aedes
    this.#aedes = undefined
    this.#stopSweeping()
    if (aedes === undefined) return
    await new Promise<void>((resolve) => {
      const cancel = this.#options.clock.after(STOP_MS, resolve)
      aedes.close(() => {
        cancel()
        resolve()
      })
    })
    for (const { stream } of this.#connected) stream.destroy()
  }

  #handlers(): Handlers {
    return {
      preConnect: (client, packet, done) => {
        const guest = this.#guests.get(client)
        // No sessions outlive a connection, and nobody takes over the connection of another user by its client id.
        const greeting: { clean?: boolean; clientId: string } = packet
        greeting.clean = true
        greeting.clientId = `${packet.username ?? ''}:${packet.clientId === '' ? randomUUID() : packet.clientId}`
        if (guest !== undefined && packet.will !== undefined) guest.badWill = this.#whyNotPublish(guest, packet.will)
        done(null, guest !== undefined)
      },
      authenticate: (client, username, password, done) => {
        const guest = this.#guests.get(client)
        const refusal = guest === undefined ? badLogin : this.#whyNotLogIn(guest, username ?? '', password ?? Buffer.alloc(0))
        if (guest === undefined || refusal !== undefined) {
          const { returnCode, reason } = refusal ?? badLogin
          this.#refused++
          this.#options.logger.info('A client of the broker was refused', { from: guest?.from, reason })
          const error = Object.assign(new Error('refused'), { returnCode })
          this.#options.clock.after(REFUSAL_MS, () => {
            done(error, null)
          })
          return
        }
        guest.username = username ?? ''
        guest.stream.greeted()
        done(null, true)
      },
      authorizePublish: (client, packet, done) => {
        const guest = client === null ? undefined : this.#guests.get(client)
        const reason = guest === undefined ? 'nobody known published it' : this.#whyNotPublish(guest, packet)
        if (reason === undefined && packet.retain) this.#noteRetained(guest as Guest, packet)
        done(reason === undefined ? null : new Error(reason))
      },
      authorizeSubscribe: (client, subscription, done) => {
        const guest = this.#guests.get(client)
        const { topic } = subscription
        const allowed =
          guest !== undefined &&
          this.#options.topics.maySubscribe(topic) &&
          (guest.subscriptions.has(topic) || guest.subscriptions.size < this.#options.limits.subscriptionsPerClient)
        if (allowed) guest.subscriptions.add(topic)
        else {
          this.#refused++
          this.#options.logger.info('A subscription was refused', { from: guest?.from, filter: topic.slice(0, 200) })
        }
        done(null, allowed ? subscription : null)
      }
    }
  }

  /** Of an address that was wrong too often no login is looked at, so that nothing is learnt; the right ones try again by themselves. */
  #whyNotLogIn({ address, badWill }: Guest, username: string, password: Uint8Array): LoginRefusal | undefined {
    if (!this.#tries.take(address)) return { returnCode: UNAVAILABLE, reason: 'too many wrong logins from its address' }
    if (!this.#options.users.accepts(username, password)) return badLogin
    this.#tries.giveBack(address)
    return badWill === undefined ? undefined : { returnCode: NOT_AUTHORIZED, reason: badWill }
  }

  #whyNotPublish(guest: Guest, { topic, retain, qos, payload }: Publication): string | undefined {
    const kind = this.#options.topics.kindOf(topic)
    if (kind === undefined) return 'it published on a topic that is not of Kithmesh'
    if (qos === 2) return 'it published with QoS 2'
    if (!retain || payload.length === 0) return undefined
    if (kind !== 'presence') return 'it left a message where none are kept'
    if (!guest.retained.has(topic) && guest.retained.size >= this.#options.limits.retainedPerClient)
      return 'it left messages on too many topics'
    return this.#retained.fits(topic, payload.length) ? undefined : 'there is no room for more retained messages'
  }

  #noteRetained(guest: Guest, { topic, payload }: Publication): void {
    if (payload.length === 0) guest.retained.delete(topic)
    else guest.retained.add(topic)
  }
}
