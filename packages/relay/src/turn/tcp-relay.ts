import { randomInt } from 'node:crypto'
import type { Server, Socket } from 'node:net'
import { canonicalAddress, encodeMessage, formatTransportAddress, newTransactionId, type TransportAddress } from '@kithmesh/stun'
import type { Refusal } from './authentication.ts'
import type { RelayCommon, RelayPort } from './contracts.ts'
import { dialPeer } from './dial.ts'
import { pump } from './pump.ts'

/** RFC 6062 §5.2: at least 30 seconds. */
const CONNECT_MS = 30_000
/** RFC 6062 §5.3: a connection that no ConnectionBind comes for within 30 seconds is closed. */
const BIND_MS = 30_000

interface Connection {
  readonly peer: TransportAddress
  /** Undefined while it is being made. */
  socket: Socket | undefined
  id: number
  bound: boolean
}

/** Connections that wait for their ConnectionBind, of all allocations of a server. */
export type WaitingConnections = Map<number, TcpRelay>

/** TCP connections between one client and its peers (RFC 6062). */
export class TcpRelay implements RelayPort {
  readonly kind = 'tcp'
  readonly relayed: TransportAddress
  readonly #server: Server
  readonly #bindAddress: string
  readonly #common: RelayCommon
  readonly #waiting: WaitingConnections
  readonly #connections = new Map<string, Connection>()
  readonly #closing = new AbortController()

  constructor(server: Server, local: TransportAddress, common: RelayCommon, waiting: WaitingConnections) {
    this.#server = server
    this.#bindAddress = local.address
    this.#common = common
    this.#waiting = waiting
    this.relayed = common.names.outside(local)
    server.on('connection', (socket) => {
      this.#accept(socket)
    })
  }

  get username(): string {
    return this.#common.username
  }

  /** Established connections. */
  get size(): number {
    return [...this.#connections.values()].filter(({ bound }) => bound).length
  }

  /** Connects to a peer (RFC 6062 §5.2); the id for ConnectionBind. */
  async connect(peer: TransportAddress): Promise<number | Refusal> {
    const { policy, names, clock, logger } = this.#common
    const why = policy.whyNotRelay(peer)
    if (why !== undefined) return { code: 403, reason: 'Forbidden' }
    if (this.#connections.has(keyOf(peer))) return { code: 446, reason: 'Connection Already Exists' }
    const connection = this.#add(peer)
    if (connection === undefined) return { code: 508, reason: 'Insufficient Capacity' }
    try {
      const options = { clock, timeoutMs: CONNECT_MS, signal: this.#closing.signal }
      const socket = await dialPeer(names.inside(peer), this.#bindAddress, options)
      return this.#keep(connection, socket)
    } catch (error) {
      this.#connections.delete(keyOf(peer))
      logger.debug('A peer could not be connected to', { peer: formatTransportAddress(peer), error })
      return { code: 447, reason: 'Connection Timeout or Failure' }
    }
  }

  /** Joins a waiting connection with the one its ConnectionBind came on; the caller has answered that. */
  bind(id: number, client: Socket, sentAlready: Buffer): void {
    const connection = [...this.#connections.values()].find((each) => each.id === id)
    const socket = connection?.socket
    if (connection === undefined || socket === undefined || connection.bound) {
      client.destroy()
      return
    }
    const { clock, traffic, username } = this.#common
    this.#waiting.delete(id)
    connection.bound = true
    client.once('close', () => {
      this.#connections.delete(keyOf(connection.peer))
    })
    if (sentAlready.length > 0) {
      traffic.stream(username, sentAlready.length)
      socket.write(sentAlready)
    }
    pump(client, socket, { clock, spend: (bytes) => traffic.stream(username, bytes) })
  }

  close(): void {
    this.#closing.abort(new Error('the allocation has ended'))
    this.#server.close()
    for (const { id, socket } of this.#connections.values()) {
      this.#waiting.delete(id)
      socket?.destroy()
    }
    this.#connections.clear()
  }

  #accept(socket: Socket): void {
    const { permissions, names, path } = this.#common
    const { remoteAddress, remotePort } = socket
    socket.on('error', () => {})
    if (remoteAddress === undefined || remotePort === undefined) {
      socket.destroy()
      return
    }
    const peer = names.outside({ address: canonicalAddress(remoteAddress), port: remotePort })
    const connection = permissions.has(peer.address) ? this.#add(peer) : undefined
    if (connection === undefined) {
      socket.destroy()
      return
    }
    const connectionId = this.#keep(connection, socket)
    path.send(
      encodeMessage({
        method: 'connectionAttempt',
        messageClass: 'indication',
        transactionId: newTransactionId(),
        attributes: { xorPeerAddress: [peer], connectionId }
      })
    )
  }

  #add(peer: TransportAddress): Connection | undefined {
    const key = keyOf(peer)
    if (this.#connections.size >= this.#common.limits.connectionsPerAllocation || this.#connections.has(key)) return undefined
    const connection: Connection = { peer, socket: undefined, id: 0, bound: false }
    this.#connections.set(key, connection)
    return connection
  }

  /** Until it is bound, nothing is read from it. */
  #keep(connection: Connection, socket: Socket): number {
    do connection.id = randomInt(1, 2 ** 32)
    while (this.#waiting.has(connection.id))
    connection.socket = socket
    this.#waiting.set(connection.id, this)
    socket.setKeepAlive(true, 60_000)
    const cancel = this.#common.clock.after(BIND_MS, () => {
      if (!connection.bound) socket.destroy()
    })
    socket.once('close', () => {
      cancel()
      this.#waiting.delete(connection.id)
      if (this.#connections.get(keyOf(connection.peer)) === connection) this.#connections.delete(keyOf(connection.peer))
    })
    return connection.id
  }
}

function keyOf({ address, port }: TransportAddress): string {
  return formatTransportAddress({ address: canonicalAddress(address), port })
}
