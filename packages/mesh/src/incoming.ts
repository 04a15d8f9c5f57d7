import type { Database } from '@kithmesh/database'
import type { ByteSocket, Clock, KithmeshError, Logger, MessageSocket } from '@kithmesh/core'
import { type Authenticator, type Identity, type PeerCertificate, identityErrors, secureServer } from '@kithmesh/identity'
import { acceptedProtocols, refuseProtocols } from '@kithmesh/replicator'
import { type UpgradeDecision, type WebSocketAcceptor, createWebSocketAcceptor } from '@kithmesh/websocket'
import { meshErrors } from './error-catalogue.ts'

/** A connection that a proven and accepted device opened to us. */
export interface IncomingConnection {
  /** Its peer id. */
  readonly deviceId: string
  /** Transport and address, e.g. `direct 192.168.1.4:50312`. */
  readonly route: string
  /** Whether it leads through a third party. */
  readonly relayed: boolean
  readonly socket: MessageSocket
}

export interface GateOptions {
  readonly identity: Identity
  readonly authenticator: Authenticator
  readonly database: Database
  readonly databaseName: string
  readonly heartbeatMs: number
  readonly logger: Logger
  readonly clock: Clock
  readonly onConnection: (connection: IncomingConnection) => void
  /** A device proved who it is and got no further: we do not accept it, or it does not accept us. */
  readonly onRefused: (deviceId: string, error: KithmeshError) => void
}

/** Connections being negotiated at once. One more cuts the oldest, which is the likeliest to have stalled. */
const maxPending = 128
const upgradeDeadlineMs = 10_000

interface Visitor {
  readonly stream: ByteSocket
  readonly deviceId: string
  /** As its certificate says. */
  readonly name: string
  readonly route: string
  readonly relayed: boolean
  /** Why it is not let in. */
  readonly refusal: KithmeshError | undefined
  /** Its request was answered, one way or the other. */
  answered: boolean
}

/**
 * What every incoming byte stream passes on its way to replication, whatever transport brought it:
 * mutual TLS, the authenticator, the WebSocket upgrade at `/<database>/_blipsync`. Each phase has its deadline, and a stream that
 * fails or stalls concerns nobody else.
 *
 * The authenticator's refusal is carried out after TLS, by HTTP status 403: with TLS 1.3 a client whose certificate is refused sees
 * nothing but a closed connection, and could not tell its user why.
 */
export class Gate {
  readonly #options: GateOptions
  readonly #acceptor: WebSocketAcceptor<Visitor>
  /** In the order of arrival. */
  readonly #pending = new Set<ByteSocket>()
  #closed = false

  constructor(options: GateOptions) {
    this.#options = options
    this.#acceptor = createWebSocketAcceptor<Visitor>({
      clock: options.clock,
      logger: options.logger,
      heartbeatMs: options.heartbeatMs,
      handshakeDeadlineMs: upgradeDeadlineMs,
      authorize: ({ path, context, protocols }) => this.#authorize(path, context, protocols),
      selectProtocol: (offered) => offered.find((each) => acceptedProtocols(options.database).includes(each)),
      onConnection: (socket, { context: { deviceId, route, relayed } }) => {
        options.onConnection({ deviceId, route, relayed, socket })
      }
    })
  }

  /** Takes over a stream that a transport accepted. */
  accept(stream: ByteSocket, remote: string, strategy: string, relayed: boolean): void {
    stream.on('error', ignore)
    if (this.#closed || stream.destroyed) {
      stream.destroy()
      return
    }
    if (this.#pending.size >= maxPending) this.#cutOldest()
    this.#pending.add(stream)
    stream.once('close', () => {
      this.#pending.delete(stream)
    })
    this.#negotiate(stream, `${strategy} ${remote}`, relayed).catch((error: unknown) => {
      if (!this.#closed) this.#options.logger.info('an incoming connection failed', { remote, error })
    })
  }

  async #negotiate(stream: ByteSocket, route: string, relayed: boolean): Promise<void> {
    const { identity, authenticator, clock, logger, onRefused } = this.#options
    let refusal: KithmeshError | undefined
    const judge = async (peer: PeerCertificate): Promise<boolean> => {
      refusal =
        peer.peerId === identity.peerId
          ? meshErrors.create('ERR_MESH_SELF', 'The connection comes from this device itself')
          : await judgement(authenticator, peer)
      return true
    }
    const { name, authorities } = authenticator
    const { stream: secured, peer } = await secureServer(stream, {
      identity,
      clock,
      authenticator: { name, check: judge, ...(authorities === undefined ? {} : { authorities }) }
    })
    if (peer === undefined || this.#closed) {
      secured.destroy()
      return
    }
    const visitor: Visitor = { stream, deviceId: peer.peerId, name: peer.commonName, route, relayed, refusal, answered: false }
    if (refusal !== undefined) {
      logger.info('an incoming connection was refused', { route, error: refusal })
      onRefused(peer.peerId, refusal)
    }
    secured.once('close', () => {
      if (visitor.answered || refusal !== undefined || this.#closed) return
      onRefused(
        peer.peerId,
        meshErrors.create(
          'ERR_MESH_REFUSED',
          `"${peer.commonName}" hung up after the TLS handshake: it probably does not accept this device`,
          { details: { localPeerId: identity.peerId, peerId: peer.peerId } }
        )
      )
    })
    // From here on the stream is the upgrade's: it counts as pending until that is answered.
    this.#acceptor.accept(secured, visitor)
  }

  #authorize(path: string, visitor: Visitor, protocols: readonly string[]): UpgradeDecision {
    const { database, databaseName, logger, onRefused } = this.#options
    visitor.answered = true
    this.#pending.delete(visitor.stream)
    if (visitor.refusal !== undefined) return { allow: false, status: 403, message: 'This device does not accept yours' }
    if (path !== `/${databaseName}/_blipsync`) return { allow: false, status: 404, message: 'No such database' }
    const unsuitable = refuseProtocols(database, protocols, `"${visitor.name}"`)
    if (unsuitable === undefined) return { allow: true }
    logger.info('an incoming connection was refused', { route: visitor.route, error: unsuitable.error })
    onRefused(visitor.deviceId, unsuitable.error)
    return unsuitable.decision
  }

  #cutOldest(): void {
    const [oldest] = this.#pending
    if (oldest === undefined) return
    this.#pending.delete(oldest)
    this.#options.logger.warn('too many incoming connections are being negotiated, the oldest is cut', { pending: maxPending })
    oldest.destroy(meshErrors.create('ERR_MESH_INCOMING_LIMIT', `More than ${maxPending} connections are being negotiated`))
  }

  /** Cuts what is being negotiated; open connections belong to their receivers. */
  close(): void {
    this.#closed = true
    this.#acceptor.close()
    for (const stream of this.#pending) stream.destroy()
  }
}

async function judgement(authenticator: Authenticator, peer: PeerCertificate): Promise<KithmeshError | undefined> {
  const details = { peerId: peer.peerId, commonName: peer.commonName }
  try {
    if ((await authenticator.check(peer)) === true) return undefined
    return identityErrors.create('ERR_IDENTITY_UNTRUSTED', `${authenticator.name} refused "${peer.commonName}" (${peer.peerId})`, {
      details
    })
  } catch (cause) {
    return identityErrors.create(
      'ERR_IDENTITY_UNTRUSTED',
      `${authenticator.name} refused "${peer.commonName}" (${peer.peerId}): ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause, details }
    )
  }
}

function ignore(): void {}
