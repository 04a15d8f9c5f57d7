import { systemClock } from '@kithmesh/core'
import type { MessageSocket } from '@kithmesh/core'
import type { OpenEndpointOptions, ReplicatorEndpoint } from '../endpoint.ts'
import { replicatorErrors } from '../errors.ts'
import { framedSocket } from './framed-socket.ts'
import { checkLinkOptions, checkProtocolType } from './link-options.ts'
import type { MessageLinkOptions, ProtocolType } from './link-options.ts'
import { LinkSocket } from './link-socket.ts'
import type { MessageEndpointConnection } from './message-endpoint-connection.ts'
import { MessageLink } from './message-link.ts'
import { endOfFailure } from './messaging-error.ts'

/** Makes the connections of a {@link MessageEndpoint}. */
export interface MessageEndpointDelegate<Target = unknown> {
  /** Called for the first connect and for every retry; returns a new object each time. */
  createConnection(endpoint: MessageEndpoint<Target>): MessageEndpointConnection
}

/**
 * A remote that is reached over the application's own transport (discovery-api.md §C); the active side. Its other end is a
 * `MessageEndpointListener` of the same type.
 *
 * - `message-stream`: the transport keeps messages whole; each carries one BLIP frame and nothing else.
 * - `byte-stream`: the transport carries bytes, cut anyhow; WebSocket frames mark the messages, from the first byte on. There is no HTTP upgrade
 *   before them, because Couchbase Lite has none here.
 *
 * Neither authenticates or encrypts: that is the transport's business. Errors of the application's connection end the connection with
 * 4001 when they are recoverable, after which the replicator tries again, or with 4002, after which it stops.
 *
 * @example
 * const endpoint = new MessageEndpoint(peer.id, peer, 'message-stream', { createConnection: ({ target }) => new MyConnection(target) })
 * new Replicator({ database, endpoint }).start()
 */
export class MessageEndpoint<Target = unknown> implements ReplicatorEndpoint {
  readonly uid: string
  readonly target: Target
  readonly protocolType: ProtocolType
  readonly delegate: MessageEndpointDelegate<Target>
  readonly description: string
  readonly #options: MessageLinkOptions
  readonly #used = new WeakSet<MessageEndpointConnection>()

  /**
   * @param uid Stays the same for the same remote: checkpoints hang on it.
   * @param target Whatever the delegate knows the remote by.
   * @throws TypeError for an empty uid, an unknown type, or limits that make no sense.
   */
  constructor(
    uid: string,
    target: Target,
    protocolType: ProtocolType,
    delegate: MessageEndpointDelegate<Target>,
    options: MessageLinkOptions = {}
  ) {
    if (uid === '') throw new TypeError('A MessageEndpoint needs a uid that stays the same for the same remote')
    checkProtocolType(protocolType)
    checkLinkOptions(options)
    this.uid = uid
    this.target = target
    this.protocolType = protocolType
    this.delegate = delegate
    this.description = `x-msg-endpt:///${encodeURIComponent(uid)}/_blipsync`
    this.#options = options
  }

  async open({ signal, heartbeatMs, clock: given = systemClock }: OpenEndpointOptions): Promise<MessageSocket> {
    const { clock = given } = this.#options
    const link = new MessageLink(this.#create(), this.description, { ...this.#options, clock })
    await link.open(signal)
    return this.protocolType === 'message-stream'
      ? new LinkSocket(link)
      : await framedSocket(link, 'client', { signal, heartbeatMs, clock })
  }

  #create(): MessageEndpointConnection {
    try {
      const connection = this.delegate.createConnection(this)
      if (this.#used.has(connection)) throw new TypeError('createConnection returned a connection that it had returned before')
      this.#used.add(connection)
      return connection
    } catch (cause) {
      const { code, reason, error } = endOfFailure(`The delegate made no connection for ${this.description}`, cause)
      throw replicatorErrors.create('ERR_REPL_CLOSED', error?.message ?? reason, { cause: error, details: { code, reason } })
    }
  }
}
