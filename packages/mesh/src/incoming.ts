import type { ByteSocket, Clock, Logger, MessageSocket } from '@kithmesh/core'
import { type Authenticator, type Identity, secureServer } from '@kithmesh/identity'
import { replicationProtocols } from '@kithmesh/replicator'
import { type WebSocketAcceptor, createWebSocketAcceptor } from '@kithmesh/websocket'

/** A connection that a proven device opened to us. */
export interface IncomingConnection {
  readonly deviceId: string
  readonly route: string
  readonly socket: MessageSocket
}

export interface GateOptions {
  readonly identity: Identity
  readonly authenticator: Authenticator
  readonly databaseName: string
  readonly logger: Logger
  readonly clock: Clock
  readonly onConnection: (connection: IncomingConnection) => void
}

/** Connections being negotiated at once; more are cut at once, so that strangers cannot exhaust us. */
const maxPending = 64

/**
 * What every incoming byte stream passes on its way to replication, whatever transport brought it:
 * mutual TLS, the authenticator, the WebSocket upgrade at `/<database>/_blipsync`. Each phase has its deadline, and a stream that
 * fails or stalls concerns nobody else.
 */
export class Gate {
  readonly #options: GateOptions
  readonly #acceptor: WebSocketAcceptor<{ readonly deviceId: string, readonly route: string }>
  readonly #pending = new Set<ByteSocket>()
  readonly #abort = new AbortController()

  constructor (options: GateOptions) {
    this.#options = options
    this.#acceptor = createWebSocketAcceptor({
      clock: options.clock,
      authorize: (request) => request.path === `/${options.databaseName}/_blipsync`
        ? { allow: true }
        : { allow: false, status: 404, message: 'No such database' },
      selectProtocol: (offered) => offered.find((each) => replicationProtocols.includes(each)),
      logger: options.logger,
      onConnection: (socket, request) => { options.onConnection({ ...request.context, socket }) }
    })
  }

  /** Takes over a stream that a transport accepted. */
  accept (stream: ByteSocket, remote: string): void {
    if (this.#abort.signal.aborted || this.#pending.size >= maxPending) {
      stream.destroy()
      return
    }
    this.#pending.add(stream)
    this.#negotiate(stream, remote)
      .catch((error: unknown) => { this.#options.logger.info('an incoming connection was refused', { remote, error }) })
      .finally(() => { this.#pending.delete(stream) })
  }

  async #negotiate (stream: ByteSocket, remote: string): Promise<void> {
    const { identity, authenticator, clock } = this.#options
    const { stream: secured, peer } = await secureServer(stream, { identity, authenticator, clock, signal: this.#abort.signal })
    if (peer === undefined) {
      secured.destroy()
      return
    }
    this.#acceptor.accept(secured, { deviceId: peer.peerId, route: `direct ${remote}` })
  }

  /** Cuts what is being negotiated; open connections belong to their receivers. */
  close (): void {
    this.#abort.abort(new DOMException('The mesh is stopping', 'AbortError'))
    for (const stream of this.#pending) stream.destroy()
    this.#acceptor.close()
  }
}
