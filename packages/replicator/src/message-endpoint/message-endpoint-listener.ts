import { checkPositive, isKithmeshError, limitedSignal, silentLogger, systemClock } from '@kithmesh/core/plugin'
import type { KithmeshError, Logger, MessageSocket } from '@kithmesh/core'
import { replicatorErrors } from '../errors.ts'
import { serveReplication } from '../listener/serve-replication.ts'
import type { PassiveReplication, ServeReplicationOptions } from '../listener/serve-replication.ts'
import { Observers } from '../observers.ts'
import { framedSocket } from './framed-socket.ts'
import { checkLinkOptions, checkProtocolType } from './link-options.ts'
import type { MessageLinkOptions, ProtocolType } from './link-options.ts'
import { LinkSocket } from './link-socket.ts'
import { checkWireOptions } from '../connection.ts'
import type { MessageEndpointConnection } from './message-endpoint-connection.ts'
import { MessageLink } from './message-link.ts'

export interface MessageEndpointListenerOptions extends ServeReplicationOptions, MessageLinkOptions {
  /** The same as at the active side; see `MessageEndpoint`. @default 'message-stream' */
  readonly protocolType?: ProtocolType
  /** Until the application's `open` has completed. @default 15,000 */
  readonly openTimeoutMs?: number
  /** With byte streams: silence, in milliseconds, after which the peer is probed. @default 300,000 */
  readonly heartbeatMs?: number
}

/** How one connection of a listener is doing. */
export interface MessageEndpointStatus {
  readonly activity: 'connecting' | 'busy' | 'idle' | 'stopped'
  /** Why it ended, unless in good order. */
  readonly error: KithmeshError | undefined
}

export interface MessageEndpointListenerChange {
  readonly connection: MessageEndpointConnection
  readonly status: MessageEndpointStatus
}

interface Accepted {
  status: MessageEndpointStatus
  replication: PassiveReplication | undefined
  readonly stopping: AbortController
  readonly ended: Promise<void>
}

/**
 * The passive side for connections that the application's own transport brings (discovery-api.md §C). It has no port and no life of its own:
 * it serves what it is given. Whoever is given is served, so authenticate peers before.
 *
 * @example
 * const listener = new MessageEndpointListener({ database, protocolType: 'message-stream' })
 * transport.onPeer((peer) => { listener.accept(new MyConnection(peer)) })
 */
export class MessageEndpointListener {
  readonly #options: MessageEndpointListenerOptions
  readonly #logger: Logger
  readonly #accepted = new Map<MessageEndpointConnection, Accepted>()
  readonly #observers: Observers<MessageEndpointListenerChange>
  #count = 0

  /** @throws TypeError for an unknown type, or limits that make no sense. */
  constructor(options: MessageEndpointListenerOptions) {
    checkProtocolType(options.protocolType ?? 'message-stream')
    checkWireOptions(options)
    checkLinkOptions(options)
    checkPositive(options, 'openTimeoutMs', 'heartbeatMs')
    this.#options = options
    this.#logger = (options.logger ?? silentLogger).child('message-listener')
    this.#observers = new Observers(this.#logger)
  }

  /** Those being served. */
  get connections(): readonly MessageEndpointConnection[] {
    return [...this.#accepted.keys()]
  }

  /** Of a connection being served. */
  status(connection: MessageEndpointConnection): MessageEndpointStatus | undefined {
    return this.#accepted.get(connection)?.status
  }

  /** Calls back at every change of a connection's status; `stopped` is the last of each. The returned function ends it. */
  onChange(listener: (change: MessageEndpointListenerChange) => void): () => void {
    return this.#observers.add(listener)
  }

  /**
   * Serves a new connection until either side ends it. Failures are told by {@link onChange}.
   * @throws TypeError for a connection that is being served already.
   */
  accept(connection: MessageEndpointConnection): void {
    if (this.#accepted.has(connection)) throw new TypeError('This connection is being served already; each link needs its own')
    const stopping = new AbortController()
    const accepted: Accepted = {
      status: { activity: 'connecting', error: undefined },
      replication: undefined,
      stopping,
      ended: Promise.resolve().then(async () => {
        const error = await this.#serve(connection, accepted)
        this.#accepted.delete(connection)
        this.#set(connection, accepted, { activity: 'stopped', error })
      })
    }
    this.#accepted.set(connection, accepted)
    this.#set(connection, accepted, accepted.status)
  }

  /** Ends one connection in good order; resolves when the application's `close` has completed. Does nothing for others. */
  async close(connection: MessageEndpointConnection): Promise<void> {
    const accepted = this.#accepted.get(connection)
    if (accepted === undefined) return
    accepted.stopping.abort(new Error('The listener closed the connection'))
    void accepted.replication?.stop(1000)
    await accepted.ended
  }

  /** Ends all connections; the listener may go on to accept others. */
  async closeAll(): Promise<void> {
    await Promise.all(this.connections.map((connection) => this.close(connection)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.closeAll()
  }

  /** Resolves at the end with its error. */
  async #serve(connection: MessageEndpointConnection, accepted: Accepted): Promise<KithmeshError | undefined> {
    const description = `x-msg-endpt:accepted/${++this.#count}`
    const { signal } = accepted.stopping
    let replication: PassiveReplication
    try {
      const socket = await this.#open(connection, description, signal)
      replication = serveReplication(socket, { ...this.#options, logger: this.#logger })
    } catch (error) {
      if (signal.aborted) return undefined
      return isKithmeshError(error)
        ? error
        : replicatorErrors.create('ERR_REPL_CLOSED', `${description} could not be served: ${(error as Error).message}`, { cause: error })
    }
    accepted.replication = replication
    if (signal.aborted) void replication.stop(1000)
    this.#set(connection, accepted, replication.status)
    replication.onStatus((status) => {
      if (status.activity !== 'stopped') this.#set(connection, accepted, status)
    })
    return (await replication.ended).error
  }

  async #open(connection: MessageEndpointConnection, description: string, stopping: AbortSignal): Promise<MessageSocket> {
    const { clock = systemClock, openTimeoutMs = 15_000, protocolType = 'message-stream', heartbeatMs = 300_000 } = this.#options
    const late = (): Error =>
      replicatorErrors.create('ERR_REPL_MESSAGING_TIMEOUT', `${description} did not open within ${openTimeoutMs} ms`, {
        details: { ms: openTimeoutMs }
      })
    const ending = limitedSignal(clock, openTimeoutMs, late, stopping)
    try {
      const link = new MessageLink(connection, description, this.#options)
      await link.open(ending.signal)
      return protocolType === 'message-stream' ? new LinkSocket(link) : await framedSocket(link, 'server', { heartbeatMs, clock })
    } finally {
      ending.release()
    }
  }

  #set(connection: MessageEndpointConnection, accepted: Accepted, status: MessageEndpointStatus): void {
    accepted.status = status
    this.#observers.emit({ connection, status })
  }
}
