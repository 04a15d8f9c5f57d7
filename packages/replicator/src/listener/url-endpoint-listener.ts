import { isKithmeshError, remoteAddress, silentLogger, systemClock } from '@kithmesh/core'
import type { Logger, MessageSocket, Rate } from '@kithmesh/core'
import { checkPositive } from '@kithmesh/core/plugin'
import type { Database } from '@kithmesh/database'
import { createIdentity } from '@kithmesh/identity'
import type { Authenticator, Identity, PasswordAuthenticator } from '@kithmesh/identity'
import { createTcpListener } from '@kithmesh/transport-direct'
import type { AcceptedConnection, TcpListener } from '@kithmesh/transport-direct'
import { createWebSocketAcceptor, unauthorized } from '@kithmesh/websocket'
import type { AcceptedRequest, UpgradeDecision, UpgradeRequest, WebSocketAcceptor } from '@kithmesh/websocket'
import { BufferBudget } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import { checkWireOptions } from '../connection.ts'
import { warmUp } from '../warm-up.ts'
import { ListenerConnections } from './listener-connections.ts'
import type { ListenerClient, ListenerStatus } from './listener-connections.ts'
import { LOGIN_TRIES, LoginTries } from './login-tries.ts'
import { acceptedProtocols, refuseProtocols } from './offered-protocols.ts'
import { serveReplication } from './serve-replication.ts'
import type { PassiveReplication, ServeReplicationOptions, ServedCollection } from './serve-replication.ts'

/** One database of a listener. */
export interface ServedDatabase {
  readonly database: Database
  /** @default the listener's `collections` */
  readonly collections?: readonly ServedCollection[]
}

export interface UrlEndpointListenerOptions extends Omit<ServeReplicationOptions, 'database' | 'allowPull' | 'bufferBudget' | 'peerId'> {
  /** What is offered, by the name in the URL. */
  readonly databases: Readonly<Record<string, Database | ServedDatabase>>
  /** @default 0, any free one */
  readonly port?: number
  /** Address to listen on. @default all */
  readonly host?: string
  /** Instead of `host`: name of an interface such as `en0`, all of whose addresses are listened on, or an address. */
  readonly networkInterface?: string
  /**
   * `self-signed` makes an anonymous certificate that lives as long as this object; give an identity to be recognised again.
   * @default 'self-signed'
   */
  readonly tls?: 'off' | 'self-signed' | Identity
  /**
   * Who may connect: users by password, or devices by certificate (needs TLS). `insecure` lets in whoever asks.
   */
  readonly authenticator: PasswordAuthenticator | Authenticator | 'insecure'
  /** Peers may only pull. @default false */
  readonly readOnly?: boolean
  /**
   * How many wrong logins of one address are answered, of IPv6 of one /64: so many at once, and so many a minute. After that all logins from
   * there are answered 429 until a try has come back, the right ones too; clients come again by themselves.
   * @default 20 at once, and 6 a minute
   */
  readonly loginTries?: Rate
  /** Connections at a time; more are cut at once. @default 1,000 */
  readonly maxConnections?: number
  /** Of those, from one address, of IPv6 from one /64. @default a quarter of them, and 16 at least */
  readonly maxConnectionsPerAddress?: number
  /** For TLS, and again for login and WebSocket upgrade, in milliseconds; slower clients are cut. @default 15,000 */
  readonly handshakeTimeoutMs?: number
  /**
   * Bytes that all connections together may hold of unfinished messages; see {@link BufferBudget}. From half of it on new connections are
   * answered with 503. @default 512 MiB
   */
  readonly maxBufferedBytes?: number
  /** Silence, in milliseconds, after which a peer is probed. @default 300,000 */
  readonly heartbeatMs?: number
  /** The first start of a process compiles what replications run; see {@link warmUp}. @default true */
  readonly warmUp?: boolean
}

const HEARTBEAT_MS = 300_000
const HANDSHAKE_MS = 15_000
const SUFFIX = '/_blipsync'

/**
 * The passive side over IP: other replicators connect to `wss://host:port/<database>` (discovery-api.md §D).
 * May be started again after it was stopped.
 */
export class UrlEndpointListener {
  readonly #options: UrlEndpointListenerOptions
  readonly #logger: Logger
  readonly #databases: ReadonlyMap<string, ServedDatabase>
  readonly #connections: ListenerConnections
  readonly #budget: BufferBudget
  readonly #loginTries: LoginTries
  #listener: TcpListener | undefined
  #acceptor: WebSocketAcceptor<AcceptedConnection> | undefined
  #identity: Identity | undefined
  /** Starting and stopping one after the other. */
  #transition: Promise<void> = Promise.resolve()

  /** @throws TypeError for settings that contradict each other or make no sense. */
  constructor(options: UrlEndpointListenerOptions) {
    checkWireOptions(options)
    checkPositive(options, 'heartbeatMs', 'handshakeTimeoutMs', 'maxConnections', 'maxConnectionsPerAddress')
    this.#options = options
    this.#logger = (options.logger ?? silentLogger).child('listener')
    this.#databases = new Map(
      Object.entries(options.databases).map(([name, value]) => [name, 'database' in value ? value : { database: value }])
    )
    this.#connections = new ListenerConnections(this.#logger)
    this.#budget = new BufferBudget(options.maxBufferedBytes)
    this.#loginTries = new LoginTries(options.loginTries ?? LOGIN_TRIES, options.clock ?? systemClock)
    if (this.#databases.size === 0) throw new TypeError('At least one database is needed')
    if (options.host !== undefined && options.networkInterface !== undefined)
      throw new TypeError('host and networkInterface exclude each other')
    const byCertificate = options.authenticator !== 'insecure' && !('challenge' in options.authenticator)
    if (byCertificate && options.tls === 'off') throw new TypeError('An authenticator by certificate needs TLS')
    if (typeof options.tls === 'object') this.#identity = options.tls
  }

  /** While started. */
  get port(): number | undefined {
    return this.#listener?.port
  }
  /** What TLS shows to clients; undefined before the first start and without TLS. */
  get identity(): Identity | undefined {
    return this.#identity
  }

  /** Where peers may connect, while started: every address of this machine with every database. */
  get urls(): string[] {
    const scheme = this.#options.tls === 'off' ? 'ws' : 'wss'
    const addresses = this.#listener?.addresses ?? []
    return addresses.flatMap((address) => [...this.#databases.keys()].map((name) => `${scheme}://${address}/${encodeURIComponent(name)}`))
  }

  get status(): ListenerStatus {
    return this.#connections.status
  }

  /** Calls back when one of the two counts changed. The returned function ends it. */
  onStatus(listener: (status: ListenerStatus) => void): () => void {
    return this.#connections.onStatus(listener)
  }
  /** Calls back with each replication that a peer begins, and who that is. The returned function ends it. */
  onConnection(listener: (replication: PassiveReplication, client: ListenerClient) => void): () => void {
    return this.#connections.onConnection(listener)
  }

  /** Idempotent. @throws ERR_REPL_LISTEN when the port or address cannot be had. */
  async start(): Promise<void> {
    await this.#after(async () => {
      await this.#open()
    })
  }

  /**
   * Closes the port, then the connections in order: what is answered is sent, clients are told `code`, and cut after five seconds if they do not
   * answer. 4001 makes Couchbase Lite and Kithmesh try again until the listener is back; 1001 says that it goes for good, and only
   * our continuous replicators come back. Idempotent.
   */
  async stop({ code = 4001 }: { readonly code?: 1001 | 4001 } = {}): Promise<void> {
    await this.#after(async () => {
      const listener = this.#listener
      this.#listener = undefined
      this.#acceptor?.close()
      this.#acceptor = undefined
      await listener?.close()
      await this.#connections.stop(code)
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #after(work: () => Promise<void>): Promise<void> {
    const next = this.#transition.then(work)
    this.#transition = next.catch(() => {})
    await next
  }

  async #open(): Promise<void> {
    if (this.#listener !== undefined) return
    const { port = 0, tls = 'self-signed', authenticator, maxConnections, clock, heartbeatMs = HEARTBEAT_MS } = this.#options
    const { host, networkInterface, maxConnectionsPerAddress, handshakeTimeoutMs = HANDSHAKE_MS } = this.#options
    if (tls === 'self-signed') this.#identity ??= await createIdentity({ commonName: 'Kithmesh' })
    const common = { logger: this.#logger, ...(clock !== undefined && { clock }) }
    const acceptor = createWebSocketAcceptor<AcceptedConnection>({
      ...common,
      heartbeatMs,
      handshakeDeadlineMs: handshakeTimeoutMs,
      serverHeader: 'Kithmesh',
      authorize: (request) => this.#authorize(request),
      selectProtocol: (offered, path) => offered.find((protocol) => this.#protocolsAt(path).includes(protocol)),
      onConnection: (socket, request) => {
        this.#accepted(socket, request)
      }
    })
    try {
      this.#listener = await createTcpListener({
        ...common,
        port,
        ...(host !== undefined && { host }),
        ...(networkInterface !== undefined && { interfaces: [networkInterface] }),
        ...(maxConnections !== undefined && { maxConnections }),
        ...(maxConnectionsPerAddress !== undefined && { maxConnectionsPerAddress }),
        ...(this.#identity !== undefined &&
          tls !== 'off' && {
            tls:
              authenticator === 'insecure' || 'challenge' in authenticator
                ? { identity: this.#identity, requestCertificate: false, deadlineMs: handshakeTimeoutMs }
                : { identity: this.#identity, authenticator, deadlineMs: handshakeTimeoutMs }
          }),
        onConnection: (stream, connection) => {
          acceptor.accept(stream, connection)
        }
      })
      this.#acceptor = acceptor
    } catch (cause) {
      acceptor.close()
      const hint = isKithmeshError(cause) ? { hint: cause.hint } : {}
      throw replicatorErrors.create('ERR_REPL_LISTEN', `Cannot listen on port ${port}: ${(cause as Error).message}`, { cause, ...hint })
    }
    if (this.#options.warmUp !== false) await this.#warmUp()
  }

  async #warmUp(): Promise<void> {
    const kinds = new Set([...this.#databases.values()].map(({ database }) => database.versioning))
    for (const versioning of kinds) await warmUp({ versioning, logger: this.#logger })
  }

  async #authorize(request: UpgradeRequest<AcceptedConnection>): Promise<UpgradeDecision> {
    if (this.#budget.pressed) return overloaded
    const { authenticator } = this.#options
    let user: string | undefined
    if (authenticator !== 'insecure' && 'challenge' in authenticator) {
      const address = remoteAddress(request.context.remote)
      const { handshakeTimeoutMs = HANDSHAKE_MS } = this.#options
      const login = await this.#loginTries.check(authenticator, request.headers.authorization, { address }, handshakeTimeoutMs)
      if (login === 'later') return this.#tooManyTries(address)
      if (login.user === undefined) return unauthorized()
      user = login.user
    }
    const served = this.#databaseAt(request.path)
    if (served === undefined) return { allow: false, status: 404, message: 'No such database' }
    const refusal = refuseProtocols(served.database, request.protocols, 'A client', this.#modes)
    if (refusal !== undefined) {
      this.#logger.info('A client was refused', { error: refusal.error })
      return refusal.decision
    }
    return user === undefined ? { allow: true } : { allow: true, user }
  }

  #tooManyTries(address: string | null): UpgradeDecision {
    this.#logger.warn('A login was not looked at: there were too many wrong ones from its address', { address })
    const headers = { 'Retry-After': String(this.#loginTries.retryAfterSeconds) }
    return { allow: false, status: 429, headers, message: 'Too many wrong logins; try again later' }
  }

  #databaseAt(path: string): ServedDatabase | undefined {
    if (!path.startsWith('/') || !path.endsWith(SUFFIX)) return undefined
    try {
      return this.#databases.get(decodeURIComponent(path.slice(1, -SUFFIX.length)))
    } catch {
      return undefined
    }
  }

  #protocolsAt(path: string): readonly string[] {
    const served = this.#databaseAt(path)
    return served === undefined ? [] : acceptedProtocols(served.database, this.#modes)
  }

  get #modes(): { readonly allowPull: boolean } {
    return { allowPull: this.#options.readOnly !== true }
  }

  #accepted(socket: MessageSocket, { path, user, context }: AcceptedRequest<AcceptedConnection>): void {
    const served = this.#databaseAt(path)
    if (served === undefined || this.#listener === undefined) {
      socket.close(1001)
      return
    }
    const peerId = user ?? context.peer?.peerId
    const replication = serveReplication(socket, {
      ...this.#options,
      logger: this.#logger,
      bufferBudget: this.#budget,
      ...served,
      ...this.#modes,
      ...(peerId !== undefined && { peerId })
    })
    const database = decodeURIComponent(path.slice(1, -SUFFIX.length))
    this.#connections.add(replication, { database, remote: context.remote, user, certificate: context.peer })
  }
}

const overloaded: UpgradeDecision = {
  allow: false,
  status: 503,
  headers: { 'Retry-After': '5' },
  message: 'Too much is under way; try again later'
}
