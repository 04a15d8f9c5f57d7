import { networkInterfaces } from 'node:os'
import { isIP } from 'node:net'
import { isKithmeshError, silentLogger } from '@kithmesh/core'
import type { Logger, MessageSocket } from '@kithmesh/core'
import type { Database } from '@kithmesh/database'
import { createIdentity } from '@kithmesh/identity'
import type { Authenticator, Identity, PasswordAuthenticator } from '@kithmesh/identity'
import { createTcpListener } from '@kithmesh/transport-direct'
import type { AcceptedConnection, TcpListener } from '@kithmesh/transport-direct'
import { createWebSocketAcceptor, unauthorized } from '@kithmesh/websocket'
import type { UpgradeDecision, UpgradeRequest, WebSocketAcceptor } from '@kithmesh/websocket'
import { replicatorErrors } from '../error-catalogue.ts'
import { Observers } from '../observers.ts'
import { replicationProtocols, serveReplication } from './serve-replication.ts'
import type { PassiveReplication, ServeReplicationOptions } from './serve-replication.ts'

export interface UrlEndpointListenerOptions extends Omit<ServeReplicationOptions, 'database' | 'allowPull'> {
  /** What is offered, by the name in the URL. */
  readonly databases: Readonly<Record<string, Database>>
  /** @default 0, any free one */
  readonly port?: number
  /** Address to listen on. @default all */
  readonly host?: string
  /** Instead of `host`: name of an interface, or an address. */
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
  /** Connections at a time; more are cut at once. @default 1,000 */
  readonly maxConnections?: number
  /** Silence after which a peer is probed. @default 300,000 */
  readonly heartbeatMs?: number
}

export interface ListenerStatus {
  readonly connectionCount: number
  /** Those that are replicating right now. */
  readonly activeConnectionCount: number
}

const HEARTBEAT_MS = 300_000
const SUFFIX = '/_blipsync'

/**
 * The passive side over IP: other replicators connect to `wss://host:port/<database>` (discovery-api.md §D).
 * May be started again after it was stopped.
 */
export class UrlEndpointListener {
  readonly #options: UrlEndpointListenerOptions
  readonly #logger: Logger
  readonly #databases: ReadonlyMap<string, Database>
  readonly #connections = new Set<PassiveReplication>()
  readonly #statusObservers: Observers<ListenerStatus>
  readonly #connectionObservers: Observers<PassiveReplication>
  #listener: TcpListener | undefined
  #acceptor: WebSocketAcceptor<AcceptedConnection> | undefined
  #identity: Identity | undefined
  /** Starting and stopping one after the other. */
  #transition: Promise<void> = Promise.resolve()

  /** @throws TypeError for settings that contradict each other. */
  constructor (options: UrlEndpointListenerOptions) {
    this.#options = options
    this.#logger = (options.logger ?? silentLogger).child('listener')
    this.#databases = new Map(Object.entries(options.databases))
    this.#statusObservers = new Observers(this.#logger)
    this.#connectionObservers = new Observers(this.#logger)
    if (this.#databases.size === 0) throw new TypeError('At least one database is needed')
    if (options.host !== undefined && options.networkInterface !== undefined) throw new TypeError('host and networkInterface exclude each other')
    const byCertificate = options.authenticator !== 'insecure' && !('challenge' in options.authenticator)
    if (byCertificate && options.tls === 'off') throw new TypeError('An authenticator by certificate needs TLS')
    if (typeof options.tls === 'object') this.#identity = options.tls
  }

  /** While started. */
  get port (): number | undefined { return this.#listener?.port }
  /** What TLS shows to clients; undefined before the first start and without TLS. */
  get identity (): Identity | undefined { return this.#identity }

  /** Where peers may connect, while started: every address of this machine with every database. */
  get urls (): string[] {
    const scheme = this.#options.tls === 'off' ? 'ws' : 'wss'
    const addresses = this.#listener?.addresses ?? []
    return addresses.flatMap((address) => [...this.#databases.keys()].map((name) => `${scheme}://${address}/${encodeURIComponent(name)}`))
  }

  get status (): ListenerStatus {
    const active = [...this.#connections].filter(({ status }) => status.activity === 'busy')
    return { connectionCount: this.#connections.size, activeConnectionCount: active.length }
  }

  /** The returned function ends it. */
  onStatus (listener: (status: ListenerStatus) => void): () => void { return this.#statusObservers.add(listener) }
  /** Calls back with each replication that a peer begins. */
  onConnection (listener: (replication: PassiveReplication) => void): () => void { return this.#connectionObservers.add(listener) }

  /** Idempotent. @throws ERR_REPL_LISTEN when the port or address cannot be had. */
  async start (): Promise<void> {
    await this.#after(async () => { await this.#open() })
  }

  /** Closes the port and all connections; peers are told that they may come back. Idempotent. */
  async stop (): Promise<void> {
    await this.#after(async () => {
      const listener = this.#listener
      this.#listener = undefined
      this.#acceptor?.close()
      this.#acceptor = undefined
      await listener?.close()
      await Promise.all([...this.#connections].map(async (connection) => { await connection.stop(4001) }))
    })
  }

  async [Symbol.asyncDispose] (): Promise<void> { await this.stop() }

  async #after (work: () => Promise<void>): Promise<void> {
    const next = this.#transition.then(work)
    this.#transition = next.catch(() => {})
    await next
  }

  async #open (): Promise<void> {
    if (this.#listener !== undefined) return
    const { port = 0, tls = 'self-signed', authenticator, maxConnections, clock, heartbeatMs = HEARTBEAT_MS } = this.#options
    if (tls === 'self-signed') this.#identity ??= await createIdentity({ commonName: 'Kithmesh' })
    const host = this.#options.networkInterface === undefined ? this.#options.host : addressOf(this.#options.networkInterface)
    const common = { logger: this.#logger, ...(clock !== undefined && { clock }) }
    const acceptor = createWebSocketAcceptor<AcceptedConnection>({
      ...common,
      heartbeatMs,
      serverHeader: 'Kithmesh',
      authorize: (request) => this.#authorize(request),
      selectProtocol: (offered) => offered.find((protocol) => replicationProtocols.includes(protocol)),
      onConnection: (socket, request) => { this.#accepted(socket, request.path) }
    })
    try {
      this.#listener = await createTcpListener({
        ...common,
        port,
        ...(host !== undefined && { host }),
        ...(maxConnections !== undefined && { maxConnections }),
        ...(this.#identity !== undefined && tls !== 'off' && {
          tls: authenticator === 'insecure' || 'challenge' in authenticator
            ? { identity: this.#identity, requestCertificate: false }
            : { identity: this.#identity, authenticator }
        }),
        onConnection: (stream, connection) => { acceptor.accept(stream, connection) }
      })
      this.#acceptor = acceptor
    } catch (cause) {
      acceptor.close()
      const hint = isKithmeshError(cause) ? { hint: cause.hint } : {}
      throw replicatorErrors.create('ERR_REPL_LISTEN', `Cannot listen on port ${port}: ${(cause as Error).message}`, { cause, ...hint })
    }
  }

  async #authorize (request: UpgradeRequest<AcceptedConnection>): Promise<UpgradeDecision> {
    const { authenticator } = this.#options
    let user: string | undefined
    if (authenticator !== 'insecure' && 'challenge' in authenticator) {
      user = await authenticator.check(request.headers.authorization)
      if (user === undefined) return unauthorized()
    }
    if (this.#databaseAt(request.path) === undefined) return { allow: false, status: 404, message: 'No such database' }
    return user === undefined ? { allow: true } : { allow: true, user }
  }

  #databaseAt (path: string): Database | undefined {
    if (!path.startsWith('/') || !path.endsWith(SUFFIX)) return undefined
    try {
      return this.#databases.get(decodeURIComponent(path.slice(1, -SUFFIX.length)))
    } catch {
      return undefined
    }
  }

  #accepted (socket: MessageSocket, path: string): void {
    const database = this.#databaseAt(path)
    if (database === undefined || this.#listener === undefined) { socket.close(1001); return }
    const { readOnly = false } = this.#options
    const replication = serveReplication(socket, { ...this.#options, logger: this.#logger, database, allowPull: !readOnly })
    this.#connections.add(replication)
    replication.onStatus(() => { this.#statusObservers.emit(this.status) })
    void replication.ended.then(() => {
      this.#connections.delete(replication)
      this.#statusObservers.emit(this.status)
    })
    this.#connectionObservers.emit(replication)
    this.#statusObservers.emit(this.status)
  }
}

/** @throws ERR_REPL_LISTEN when the interface is not there. */
function addressOf (networkInterface: string): string {
  if (isIP(networkInterface) !== 0) return networkInterface
  const addresses = networkInterfaces()[networkInterface] ?? []
  const chosen = addresses.find(({ family }) => family === 'IPv4') ?? addresses[0]
  if (chosen === undefined) throw replicatorErrors.create('ERR_REPL_LISTEN', `There is no network interface "${networkInterface}"`)
  return chosen.address
}
