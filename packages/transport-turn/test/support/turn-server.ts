import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { decodeMessage, encodeMessage, longTermKey, newTransactionId, StreamDeframer, verifyIntegrity } from '@kithmesh/stun'
import type { IntegrityKey, ReceivedMessage, StunAttributes, TransportAddress } from '@kithmesh/stun'

const REALM = 'test'
const USER = 'user'
const PASSWORD = 'password'
const KEY: IntegrityKey = { algorithm: 'sha1', key: longTermKey(USER, REALM, PASSWORD) }

interface TestAllocation {
  readonly relay: Server
  readonly permitted: Set<string>
}

/** A TURN server over TCP that relays connections (RFC 6062) and nothing else, and misbehaves when told to. */
export class TestTurnServer {
  readonly #host: string
  readonly #sockets = new Set<Socket>()
  readonly #allocations = new Map<Socket, TestAllocation>()
  /** Connections that wait for their ConnectionBind. */
  readonly #waiting = new Map<number, Socket>()
  #server: Server | undefined
  #port = 0
  #nextConnection = 1
  #nonce = 'first'
  /** Answers every Allocate with this code. */
  refusal: number | undefined
  /** The nonce of an allocation is stale as soon as it is made. */
  expiresAtOnce = false
  /** Allocations that were ever made. */
  allocated = 0
  /** ConnectionAttempts that were ever sent. */
  attempts = 0
  /** Requests refused because their nonce had expired. */
  staleNonces = 0

  constructor(host = '127.0.0.1') {
    this.#host = host
  }

  get url(): string {
    return `turn:${this.#host}:${this.#port}?transport=tcp`
  }

  /** For `turn()`. */
  get server(): { readonly url: string; readonly username: string; readonly credential: string } {
    return { url: this.url, username: USER, credential: PASSWORD }
  }

  get open(): number {
    return this.#allocations.size
  }

  get relays(): TransportAddress[] {
    return [...this.#allocations.values()].map(({ relay }) => ({ address: this.#host, port: (relay.address() as AddressInfo).port }))
  }

  /** Starts, again on the port it had before. */
  async start(): Promise<this> {
    this.#server = createServer((socket) => {
      this.#accept(socket)
    }).listen(this.#port, this.#host)
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }

  /** Ends like a process that is killed. */
  async kill(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    for (const { relay } of this.#allocations.values()) relay.close()
    this.#allocations.clear()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #own(socket: Socket): Socket {
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
    return socket
  }

  #accept(socket: Socket): void {
    this.#own(socket)
    socket.setNoDelay(true)
    const deframer = new StreamDeframer()
    const onData = (chunk: Buffer): void => {
      deframer.push(chunk)
      for (let frame = deframer.next(); frame !== undefined; frame = deframer.next()) this.#receive(socket, decodeMessage(frame), onData)
    }
    socket.on('data', onData)
    socket.once('close', () => {
      this.#release(socket)
    })
  }

  #release(socket: Socket): void {
    this.#allocations.get(socket)?.relay.close()
    this.#allocations.delete(socket)
  }

  #receive(socket: Socket, message: ReceivedMessage, onData: (chunk: Buffer) => void): void {
    const { method, transactionId, attributes } = message
    const answer = (messageClass: 'success' | 'error', given: StunAttributes): void => {
      const integrity = messageClass === 'success' && method !== 'binding' ? KEY : undefined
      socket.write(encodeMessage({ method, messageClass, transactionId, attributes: given }, { integrity }))
    }
    const refuse = (code: number, more: StunAttributes = {}): void => {
      answer('error', { errorCode: { code, reason: 'scripted' }, ...more })
    }
    if (method === 'binding') {
      answer('success', { xorMappedAddress: { address: socket.remoteAddress!, port: socket.remotePort! } })
      return
    }
    if (attributes.username !== USER || !verifyIntegrity(message, KEY)) {
      refuse(401, { realm: REALM, nonce: this.#nonce })
      return
    }
    if (attributes.nonce !== this.#nonce) {
      this.staleNonces++
      refuse(438, { realm: REALM, nonce: this.#nonce })
      return
    }
    if (method === 'allocate') {
      if (this.refusal !== undefined) refuse(this.refusal)
      else if (attributes.requestedTransport !== 6) refuse(442)
      else void this.#allocate(socket).then((given) => answer('success', given))
      return
    }
    if (method === 'connectionBind') {
      const other = this.#waiting.get(attributes.connectionId!)
      this.#waiting.delete(attributes.connectionId!)
      if (other === undefined) refuse(400)
      else {
        answer('success', {})
        socket.removeListener('data', onData)
        socket.pipe(other).pipe(socket)
        socket.once('close', () => other.destroy())
        other.once('close', () => socket.destroy())
      }
      return
    }
    const allocation = this.#allocations.get(socket)
    if (allocation === undefined) refuse(437)
    else if (method === 'refresh') {
      if (attributes.lifetime === 0) this.#release(socket)
      answer('success', { lifetime: attributes.lifetime ?? 600 })
    } else if (method === 'createPermission') {
      for (const { address } of attributes.xorPeerAddress ?? []) allocation.permitted.add(address)
      answer('success', {})
    } else if (method === 'connect') {
      const { address, port } = attributes.xorPeerAddress![0]!
      const other = this.#own(connect({ host: address, port, localAddress: this.#host }))
      other.once('error', () => refuse(447))
      other.once('connect', () => {
        answer('success', { connectionId: this.#wait(other) })
      })
    } else refuse(400)
  }

  async #allocate(socket: Socket): Promise<StunAttributes> {
    const permitted = new Set<string>()
    const relay = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (peer) => {
      this.#own(peer)
      const from = { address: peer.remoteAddress!, port: peer.remotePort! }
      if (!permitted.has(from.address) || !this.#allocations.has(socket)) {
        peer.destroy()
        return
      }
      this.attempts++
      const attributes = { connectionId: this.#wait(peer), xorPeerAddress: [from] }
      socket.write(
        encodeMessage({ method: 'connectionAttempt', messageClass: 'indication', transactionId: newTransactionId(), attributes })
      )
    }).listen(0, this.#host)
    await once(relay, 'listening')
    this.allocated++
    if (this.expiresAtOnce) this.#nonce = randomBytes(6).toString('hex')
    this.#allocations.set(socket, { relay, permitted })
    return {
      xorRelayedAddress: { address: this.#host, port: (relay.address() as AddressInfo).port },
      xorMappedAddress: { address: socket.remoteAddress!, port: socket.remotePort! },
      lifetime: 600
    }
  }

  #wait(socket: Socket): number {
    const id = this.#nextConnection++
    this.#waiting.set(id, socket)
    return id
  }
}
