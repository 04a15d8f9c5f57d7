import type { Duplex } from 'node:stream'
import { createSecureContext, createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls'
import { constants } from 'node:crypto'
import type { Identity } from './identity.ts'

/** Who waits for the end of a handshake. */
export interface HandshakeWaiter {
  readonly done: (socket: TLSSocket) => void
  readonly failed: (error: Error) => void
}

interface ServerSettings {
  readonly authorities: readonly string[] | undefined
  readonly requestCertificate: boolean
  readonly alpn: readonly string[]
}

/**
 * A TLS server that never listens: it gives accepted sockets their whole behaviour, which a bare TLSSocket lacks. One serves many connections,
 * as reading key and certificates takes longer than the rest of our part in a handshake. Which connection a secured socket belongs to is told
 * by the addresses of its two ends.
 */
class HandshakeServer {
  readonly #server: Server
  readonly #waiting = new Map<string, HandshakeWaiter>()
  #only: HandshakeWaiter | undefined

  constructor(identity: Identity, { authorities, requestCertificate, alpn }: ServerSettings) {
    this.#server = createServer({
      key: identity.privateKeyPem,
      cert: identity.chainPem,
      minVersion: 'TLSv1.2',
      requestCert: requestCertificate,
      rejectUnauthorized: false,
      // Sessions are not resumed: every connection proves who is there anew.
      secureOptions: constants.SSL_OP_NO_TICKET,
      ...(authorities === undefined ? {} : { ca: [...authorities] }),
      ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] })
    })
    this.#server.on('secureConnection', (socket) => {
      const waiter = this.#waiterFor(socket)
      if (waiter === undefined) destroyQuietly(socket)
      else waiter.done(socket)
    })
    this.#server.on('tlsClientError', (error, socket) => {
      destroyQuietly(socket)
      this.#waiterFor(socket)?.failed(error)
    })
  }

  /** Begins a handshake. The returned function no longer waits for it. */
  begin(stream: Duplex, waiter: HandshakeWaiter): () => void {
    const key = endsOf(stream)
    if (key === undefined) this.#only = waiter
    else this.#waiting.set(key, waiter)
    this.#server.emit('connection', stream)
    return () => {
      if (key === undefined) this.#only = undefined
      else if (this.#waiting.get(key) === waiter) this.#waiting.delete(key)
    }
  }

  #waiterFor(socket: TLSSocket): HandshakeWaiter | undefined {
    return this.#only ?? this.#waiting.get(endsOf(socket) ?? '')
  }
}

/** What was made of one identity's key and certificates, for reuse as long as the identity lives. */
class PreparedIdentity {
  readonly #identity: Identity
  readonly #contexts = new WeakMap<object, SecureContext>()
  readonly #servers = new WeakMap<object, Map<string, HandshakeServer>>()

  constructor(identity: Identity) {
    this.#identity = identity
  }

  clientContext(authorities: readonly string[] | undefined): SecureContext {
    const key = authorities ?? this
    let context = this.#contexts.get(key)
    if (context === undefined) {
      const { privateKeyPem, chainPem } = this.#identity
      context = createSecureContext({
        key: privateKeyPem,
        cert: chainPem,
        minVersion: 'TLSv1.2',
        ...(authorities === undefined ? {} : { ca: [...authorities] })
      })
      this.#contexts.set(key, context)
    }
    return context
  }

  server(settings: ServerSettings): HandshakeServer {
    const key = settings.authorities ?? this
    const servers = this.#servers.get(key) ?? new Map<string, HandshakeServer>()
    this.#servers.set(key, servers)
    const name = `${settings.requestCertificate} ${settings.alpn.join()}`
    const server = servers.get(name) ?? new HandshakeServer(this.#identity, settings)
    servers.set(name, server)
    return server
  }
}

/** Only what can be derived again from the key, which is immutable. */
const prepared = new WeakMap<Identity, PreparedIdentity>()

function prepare(identity: Identity): PreparedIdentity {
  const found = prepared.get(identity) ?? new PreparedIdentity(identity)
  prepared.set(identity, found)
  return found
}

/** @param authorities the same list each time, to be recognised */
export function clientContext(identity: Identity, authorities: readonly string[] | undefined): SecureContext {
  return prepare(identity).clientContext(authorities)
}

/** The shared server for streams that have addresses, and one of its own for any other. */
export function handshakeServer(stream: Duplex, identity: Identity, settings: ServerSettings): HandshakeServer {
  return endsOf(stream) === undefined ? new HandshakeServer(identity, settings) : prepare(identity).server(settings)
}

/** Tells a TCP connection from all others that this machine has; undefined for other streams. */
function endsOf(stream: Duplex): string | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = stream as {
    readonly [name in 'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort']?: unknown
  }
  if (typeof remotePort !== 'number' || typeof localPort !== 'number') return undefined
  return `${String(remoteAddress)} ${remotePort} ${String(localAddress)} ${localPort}`
}

export function destroyQuietly(socket: Duplex): void {
  socket.on('error', () => {})
  socket.destroy()
}
