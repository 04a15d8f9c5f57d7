import type { Database } from '@kithmesh/database'
import {
  type ByteSocket,
  type Clock,
  type IncomingPeer,
  type KithmeshError,
  type Logger,
  type RouteQuality,
  type TrustProtocol,
  remoteAddress
} from '@kithmesh/core'
import { type Authenticator, type Identity, type PeerCertificate, judgeCertificate, secureServer } from '@kithmesh/identity'
import { acceptedProtocols, refuseProtocols } from '@kithmesh/replicator'
import { type UpgradeDecision, type WebSocketAcceptor, createWebSocketAcceptor } from '@kithmesh/websocket'
import type { Admission } from '../admission/admission.ts'
import type { MeshConnection } from '../engine/contracts.ts'
import { meshErrors } from '../errors.ts'
import { heartbeatMs } from './heartbeat.ts'
import { overSocket } from './over-socket.ts'

export interface GateOptions {
  readonly identity: Identity
  readonly authenticator: Authenticator
  readonly admission: Pick<Admission, 'admit'>
  readonly database: Database
  readonly databaseName: string
  /** Documents are taken from others. */
  readonly takes: boolean
  readonly logger: Logger
  readonly clock: Clock
  /** What people call a device, where discovery knows it. */
  readonly nameOf: (peerId: string) => string | undefined
  /** @param address null when it has none */
  readonly onConnection: (connection: MeshConnection, address: string | null, stream: ByteSocket) => void
  /** A device proved who it is and got no further: we do not accept it, or it does not accept us. */
  readonly onRefused: (deviceId: string, error: KithmeshError, about: { readonly displayName: string; readonly route: string }) => void
  /** A device proved who it is and then said nothing until its time was over. */
  readonly onStalled: (deviceId: string) => void
}

/** Connections being negotiated at once. One more cuts the oldest, which is the likeliest to have stalled. */
const maxPending = 128
const upgradeDeadlineMs = 10_000
/** Timers and clocks do not agree to the millisecond. */
const toleranceMs = 100

interface Judgement {
  readonly standing: 'trusted' | 'prove'
  readonly protocols: readonly TrustProtocol[]
  /** Why it is not let in. */
  readonly refusal: KithmeshError | undefined
}

interface Visitor {
  readonly stream: ByteSocket
  readonly deviceId: string
  /** As its certificate says. */
  readonly name: string
  readonly route: string
  readonly address: string | null
  readonly quality: RouteQuality
  readonly binding: Uint8Array
  readonly judged: Judgement
  /** Its request was answered, one way or the other. */
  answered: boolean
}

/**
 * What every incoming byte stream passes on its way to replication, whatever transport brought it:
 * mutual TLS, the authenticator, the admission, the WebSocket upgrade at `/<database>/_blipsync`. Each phase has its deadline, and a stream that
 * fails or stalls concerns nobody else.
 *
 * The authenticator's refusal is carried out after TLS, by HTTP status 403: with TLS 1.3 a client whose certificate is refused sees
 * nothing but a closed connection, and could not tell its user why.
 */
export class Gate {
  readonly #options: GateOptions
  /** Radios have a slower heartbeat. */
  readonly #acceptors: { readonly radio: WebSocketAcceptor<Visitor>; readonly other: WebSocketAcceptor<Visitor> }
  /** In the order of arrival. */
  readonly #pending = new Set<ByteSocket>()
  #closed = false

  constructor(options: GateOptions) {
    this.#options = options
    this.#acceptors = { radio: this.#makeAcceptor('last-resort'), other: this.#makeAcceptor('direct') }
  }

  /** Takes over a stream that a transport accepted. */
  accept(stream: ByteSocket, remote: string, strategy: string, quality: RouteQuality): void {
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
    const address = quality === 'direct' ? remoteAddress(remote) : null
    this.#negotiate(stream, `${strategy} ${remote}`, address, quality).catch((error: unknown) => {
      if (!this.#closed) this.#options.logger.info('an incoming connection failed', { remote, error })
    })
  }

  async #negotiate(stream: ByteSocket, route: string, address: string | null, quality: RouteQuality): Promise<void> {
    const { identity, authenticator, clock, logger, onRefused, onStalled } = this.#options
    let judged: Judgement = { standing: 'prove', protocols: [], refusal: undefined }
    const judge = async (peer: PeerCertificate): Promise<boolean> => {
      judged = await judgement(identity, authenticator, peer)
      return true
    }
    const { name, authorities } = authenticator
    const {
      stream: secured,
      peer,
      binding
    } = await secureServer(stream, {
      identity,
      clock,
      authenticator: { name, check: judge, ...(authorities === undefined ? {} : { authorities }) }
    })
    if (peer !== undefined && judged.refusal === undefined) {
      const refusal = await this.#admission(secured, { peerId: peer.peerId, name: peer.commonName, address, route })
      judged = { ...judged, refusal }
    }
    if (peer === undefined || this.#closed || secured.destroyed) {
      secured.destroy()
      return
    }
    const visitor: Visitor = {
      stream,
      deviceId: peer.peerId,
      name: peer.commonName,
      route,
      address,
      quality,
      binding: binding(),
      judged,
      answered: false
    }
    const about = { displayName: peer.commonName, route }
    const { refusal } = judged
    if (refusal !== undefined) {
      logger.info('an incoming connection was refused', { route, error: refusal })
      onRefused(peer.peerId, refusal, about)
    }
    const from = clock.monotonic()
    secured.once('close', () => {
      if (visitor.answered || refusal !== undefined || this.#closed) return
      if (clock.monotonic() - from > upgradeDeadlineMs - toleranceMs) onStalled(peer.peerId)
      onRefused(
        peer.peerId,
        meshErrors.create(
          'ERR_MESH_REFUSED',
          `"${peer.commonName}" hung up after the TLS handshake: it probably does not accept this device`,
          { details: { localPeerId: identity.peerId, peerId: peer.peerId } }
        ),
        about
      )
    })
    // From here on the stream is the upgrade's: it counts as pending until that is answered.
    this.#acceptors[quality === 'last-resort' ? 'radio' : 'other'].accept(secured, visitor)
  }

  /** Why the device is not let in, once that is decided. Its stream is not read meanwhile. */
  async #admission(secured: ByteSocket, peer: IncomingPeer): Promise<KithmeshError | undefined> {
    const ended = new AbortController()
    const onClose = (): void => {
      ended.abort(meshErrors.create('ERR_MESH_REFUSED', 'The device hung up before it was let in', { details: { peerId: peer.peerId } }))
    }
    secured.once('close', onClose)
    try {
      await this.#options.admission.admit(peer, { signal: ended.signal })
      return undefined
    } catch (error) {
      return error as KithmeshError
    } finally {
      secured.removeListener('close', onClose)
    }
  }

  #makeAcceptor(quality: RouteQuality): WebSocketAcceptor<Visitor> {
    const { clock, logger, database, takes, nameOf, onConnection } = this.#options
    return createWebSocketAcceptor<Visitor>({
      clock,
      logger,
      heartbeatMs: heartbeatMs(quality),
      handshakeDeadlineMs: upgradeDeadlineMs,
      authorize: ({ path, context, protocols }) => this.#authorize(path, context, protocols),
      selectProtocol: (offered) => offered.find((each) => acceptedProtocols(database, { allowPull: takes }).includes(each)),
      onConnection: (socket, { context: { deviceId: peerId, stream, route, address, quality, binding, judged } }) => {
        const displayName = nameOf(peerId) ?? peerId.slice(0, 8)
        const { standing, protocols } = judged
        const facts = { peerId, displayName, direction: 'incoming' as const, route, quality, binding, standing, protocols }
        onConnection(overSocket(socket, logger, facts), address, stream)
      }
    })
  }

  #authorize(path: string, visitor: Visitor, protocols: readonly string[]): UpgradeDecision {
    const { database, databaseName, takes, logger, onRefused } = this.#options
    visitor.answered = true
    this.#pending.delete(visitor.stream)
    if (visitor.judged.refusal !== undefined) return { allow: false, status: 403, message: 'This device does not accept yours' }
    if (path !== `/${databaseName}/_blipsync`) return { allow: false, status: 404, message: 'No such database' }
    const unsuitable = refuseProtocols(database, protocols, `"${visitor.name}"`, { allowPull: takes })
    if (unsuitable === undefined) return { allow: true }
    logger.info('an incoming connection was refused', { route: visitor.route, error: unsuitable.error })
    onRefused(visitor.deviceId, unsuitable.error, { displayName: visitor.name, route: visitor.route })
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
    this.#acceptors.radio.close()
    this.#acceptors.other.close()
    for (const stream of this.#pending) stream.destroy()
  }
}

async function judgement(identity: Identity, authenticator: Authenticator, peer: PeerCertificate): Promise<Judgement> {
  const refused = (refusal: KithmeshError): Judgement => ({ standing: 'prove', protocols: [], refusal })
  if (peer.peerId === identity.peerId) return refused(meshErrors.create('ERR_MESH_SELF', 'The connection comes from this device itself'))
  try {
    return { ...(await judgeCertificate(authenticator, peer)), refusal: undefined }
  } catch (error) {
    return refused(error as KithmeshError)
  }
}

function ignore(): void {}
