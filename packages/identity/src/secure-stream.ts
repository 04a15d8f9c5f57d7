import type { Duplex } from 'node:stream'
import { connect, type TLSSocket, type DetailedPeerCertificate, type PeerCertificate as NodePeerCertificate } from 'node:tls'
import { isIP } from 'node:net'
import { systemClock, type Clock, type TrustProtocol } from '@kithmesh/core'
import { checkPositive, limitedSignal, unlessAborted } from '@kithmesh/core/plugin'
import type { Authenticator, PeerCertificate } from './authenticators.ts'
import { peerIdOf } from './certificates.ts'
import { identityErrors } from './errors.ts'
import { clientContext, destroyQuietly, handshakeServer } from './handshake-server.ts'
import type { Identity } from './identity.ts'
import { type Standing, judgeCertificate, requireTrusted } from './judge-certificate.ts'

/** An encrypted stream and who is at its other end. The holder owns the stream; destroying it destroys the one beneath. */
export interface SecureStream {
  readonly stream: TLSSocket
  /** Undefined only on servers, when the client presented no certificate and none was required. */
  readonly peer: PeerCertificate | undefined
  /** What ALPN agreed on. */
  readonly alpnProtocol: string | undefined
  /** `prove`, only with {@link SecureOptions.proofs}: the peer is not trusted yet, not until one of `protocols` has succeeded. */
  readonly standing: 'trusted' | 'prove'
  /** With what the peer can prove itself, best first; of a trusted peer what it may want us to run. */
  readonly protocols: readonly TrustProtocol[]
  /**
   * 32 bytes that are equal at both ends of this connection and of no other one: the channel binding `tls-exporter` (RFC 9266). What is proven
   * together with it is proven of this connection, and no one between the two ends can use it on another.
   * In TLS 1.2 that rests on extended master secrets (RFC 7627), which a hostile peer may leave out; therefore bind both peer ids as well.
   * @throws ERR_IDENTITY_HANDSHAKE when the connection is closed already.
   */
  binding(): Buffer
}

interface SecureOptions {
  /** Refuse any other peer, whatever the authenticator says. */
  readonly expectedPeerId?: string
  /** Application protocols, best first (RFC 7301). */
  readonly alpn?: readonly string[]
  /** Whether a peer may pass that is yet to prove itself, see {@link SecureStream.standing}; default false: ERR_IDENTITY_UNPROVEN. */
  readonly proofs?: boolean
  /** For the whole of handshake and authenticator; default 10,000. */
  readonly deadlineMs?: number
  readonly signal?: AbortSignal
  readonly clock?: Clock
}

export interface SecureClientOptions extends SecureOptions {
  /** Our certificate, for servers that ask for one. */
  readonly identity?: Identity
  readonly authenticator: Authenticator
  /** Host name or address for SNI (names only) and for authenticators that check it. */
  readonly serverName?: string
}

export interface SecureServerOptions extends SecureOptions {
  readonly identity: Identity
  /**
   * Decides about clients; one without certificate is refused then. Without an authenticator everybody passes,
   * which is only right where something above authenticates, such as HTTP Basic.
   */
  readonly authenticator?: Authenticator
  /** Without an authenticator: whether clients are asked for a certificate; default true. With one they always are. */
  readonly requestCertificate?: boolean
}

/**
 * TLS 1.2 or newer as client, over any byte stream. Takes over `stream`: on failure it is destroyed.
 * With TLS 1.3 a server judges our certificate only after this resolved; its refusal then shows as `error` on the stream,
 * ERR_IDENTITY_REFUSED when it just closes, or Node's TLS alert error.
 * @throws ERR_IDENTITY_HANDSHAKE_TIMEOUT, ERR_IDENTITY_HANDSHAKE, ERR_IDENTITY_NO_CERTIFICATE, ERR_IDENTITY_PEER_MISMATCH,
 * ERR_IDENTITY_UNTRUSTED, ERR_IDENTITY_UNPROVEN, or the signal's reason. TypeError for a deadline that makes no sense.
 */
export async function secureClient(stream: Duplex, options: SecureClientOptions): Promise<SecureStream> {
  const { identity, authenticator, serverName, alpn } = options
  const secured = await handshake(stream, { ...options, required: true, role: 'server' }, (done, failed) => {
    const socket = connect({
      socket: stream,
      minVersion: 'TLSv1.2',
      rejectUnauthorized: false,
      ...(identity === undefined
        ? authenticator.authorities === undefined
          ? {}
          : { ca: [...authenticator.authorities] }
        : { secureContext: clientContext(identity, authenticator.authorities) }),
      ...(serverName === undefined ? {} : { host: serverName }),
      ...(serverName === undefined || isIP(serverName) !== 0 ? {} : { servername: serverName }),
      ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] })
    })
    const secured = (): void => {
      done(socket)
    }
    socket.once('secureConnect', secured)
    return watch(
      socket,
      failed,
      () => {
        socket.removeListener('secureConnect', secured)
      },
      () => {
        destroyQuietly(socket)
      }
    )
  })
  const socket = secured.stream
  if (identity !== undefined && socket.getProtocol() === 'TLSv1.3') {
    socket.once('end', () => {
      if (!socket.readableDidRead)
        socket.destroy(identityErrors.create('ERR_IDENTITY_REFUSED', 'The peer ended the connection right after the TLS handshake'))
    })
  }
  return secured
}

/**
 * TLS 1.2 or newer as server, over any byte stream. Takes over `stream`: on failure it is destroyed.
 * @throws as {@link secureClient}
 */
export async function secureServer(stream: Duplex, options: SecureServerOptions): Promise<SecureStream> {
  const { identity, authenticator, requestCertificate = true, alpn } = options
  return await handshake(stream, { ...options, required: authenticator !== undefined, role: 'client' }, (done, failed) => {
    const server = handshakeServer(stream, identity, {
      authorities: authenticator?.authorities,
      requestCertificate: requestCertificate || authenticator !== undefined,
      alpn: alpn ?? []
    })
    const forget = server.begin(stream, { done, failed })
    return watch(stream, failed, forget, () => {})
  })
}

interface HandshakeOptions extends SecureOptions {
  readonly authenticator?: Authenticator
  readonly required: boolean
  /** What the peer is. */
  readonly role: 'client' | 'server'
}

interface Attempt {
  /** Removes the listeners of the handshake. */
  release(): void
  destroy(): void
}

type Begin = (done: (socket: TLSSocket) => void, failed: (error: Error | undefined) => void) => Attempt

function watch(stream: Duplex, failed: (error: Error | undefined) => void, released: () => void, destroy: () => void): Attempt {
  const closed = (): void => {
    failed(undefined)
  }
  stream.on('error', failed)
  stream.on('close', closed)
  const release = (): void => {
    stream.removeListener('error', failed)
    stream.removeListener('close', closed)
    released()
  }
  return { release, destroy }
}

/** Runs one handshake and the authenticator under one deadline; whatever goes wrong destroys everything and rejects once. */
async function handshake(stream: Duplex, options: HandshakeOptions, begin: Begin): Promise<SecureStream> {
  const { deadlineMs = 10_000, signal, clock = systemClock, required, role, expectedPeerId } = options
  const setNoDelay: unknown = (stream as { setNoDelay?: unknown }).setNoDelay
  if (typeof setNoDelay === 'function') setNoDelay.call(stream, true)
  const late = (): Error =>
    identityErrors.create('ERR_IDENTITY_HANDSHAKE_TIMEOUT', `The TLS handshake did not finish within ${deadlineMs} ms`, {
      details: { deadlineMs }
    })
  const limit = limitedSignal(clock, deadlineMs, late, signal)
  const attempts: Attempt[] = []
  // The TLS socket repeats this stream's errors; without a listener here they would end the process.
  stream.on('error', ignore)
  try {
    checkPositive(options, 'deadlineMs')
    limit.signal.throwIfAborted()
    if (stream.destroyed) throw identityErrors.create('ERR_IDENTITY_HANDSHAKE', 'The stream was closed before the TLS handshake')
    const secured = new Promise<SecureStream>((resolve, reject) => {
      const failed = (cause: Error | undefined): void => {
        reject(
          identityErrors.create(
            'ERR_IDENTITY_HANDSHAKE',
            cause === undefined ? 'The connection was closed during the TLS handshake' : `The TLS handshake failed: ${cause.message}`,
            { cause }
          )
        )
      }
      attempts.push(
        begin((established) => {
          attempts.push(
            watch(
              established,
              failed,
              () => {},
              () => {
                destroyQuietly(established)
              }
            )
          )
          const settle = async (): Promise<SecureStream> => {
            const peer = peerOf(established, role)
            if (peer === undefined && (required || expectedPeerId !== undefined))
              throw identityErrors.create('ERR_IDENTITY_NO_CERTIFICATE', 'The peer presented no certificate')
            const { standing, protocols } = peer === undefined ? unjudged : await judge(peer, options)
            return {
              stream: established,
              peer,
              alpnProtocol: typeof established.alpnProtocol === 'string' ? established.alpnProtocol : undefined,
              standing,
              protocols,
              binding: () => exportBinding(established)
            }
          }
          settle().then((result) => {
            if (established.destroyed) failed(undefined)
            else resolve(result)
          }, reject)
        }, failed)
      )
    })
    return await unlessAborted(limit.signal, secured)
  } catch (error) {
    for (const attempt of attempts) attempt.destroy()
    stream.destroy()
    throw error
  } finally {
    for (const attempt of attempts) attempt.release()
    limit.release()
  }
}

function ignore(): void {}

const unjudged: Standing = { standing: 'trusted', protocols: [] }

async function judge(peer: PeerCertificate, { expectedPeerId, authenticator, proofs }: HandshakeOptions): Promise<Standing> {
  if (expectedPeerId !== undefined && peer.peerId !== expectedPeerId) {
    throw identityErrors.create('ERR_IDENTITY_PEER_MISMATCH', `The peer is ${peer.peerId}, not ${expectedPeerId}`, {
      details: { peerId: peer.peerId, commonName: peer.commonName, expectedPeerId }
    })
  }
  if (authenticator === undefined) return unjudged
  return proofs === true ? await judgeCertificate(authenticator, peer) : await requireTrusted(authenticator, peer)
}

/** RFC 9266 §2: this label, an empty context, 32 bytes. */
function exportBinding(socket: TLSSocket): Buffer {
  try {
    return socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
  } catch (cause) {
    throw identityErrors.create('ERR_IDENTITY_HANDSHAKE', 'The connection is closed, so that nothing can be bound to it', { cause })
  }
}

function peerOf(socket: TLSSocket, role: 'client' | 'server'): PeerCertificate | undefined {
  const leaf = socket.getPeerCertificate(true) as DetailedPeerCertificate | undefined
  if (leaf?.raw === undefined) return undefined
  const chain: Buffer[] = []
  for (
    let certificate: DetailedPeerCertificate | undefined = leaf;
    certificate?.raw !== undefined && chain.length < 16;
    certificate = certificate.issuerCertificate
  ) {
    const { raw } = certificate
    if (chain.some((known) => known.equals(raw))) break
    chain.push(raw)
  }
  const verdict = socket.authorized
    ? undefined
    : String((socket.authorizationError as unknown as { message?: string } | string | undefined) ?? 'not authorized')
  const commonName = (leaf as NodePeerCertificate).subject?.CN as string | readonly string[] | undefined
  return {
    peerId: peerIdOf(leaf.raw),
    certificateDer: leaf.raw,
    chain,
    commonName: typeof commonName === 'string' ? commonName : (commonName?.[0] ?? ''),
    role,
    ...(verdict === undefined ? {} : { tlsError: verdict })
  }
}
