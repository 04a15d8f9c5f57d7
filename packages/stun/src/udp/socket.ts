import { createSocket, type Socket } from 'node:dgram'
import { errorCode, silentLogger, systemClock, type Clock, type Logger } from '@kithmesh/core'
import { isChannelData } from '../codec/channel-data.ts'
import { decodeMessage, type ReceivedMessage } from '../codec/decode-message.ts'
import { addressFamily, formatTransportAddress, sameTransportAddress, type TransportAddress } from '../codec/transport-address.ts'
import { stunErrors } from '../errors.ts'
import { Subscribers } from '../subscribers.ts'
import { bindingResult, type BindingResult } from '../transaction/binding.ts'
import type { StunRequest, StunRequestOptions, StunResponse } from '../transaction/request.ts'
import { Transactions } from '../transaction/transactions.ts'

export interface OpenStunUdpOptions {
  /** Default: any address of the family. */
  readonly localAddress?: string
  /** Default 0: any free port. */
  readonly localPort?: number
  /** Default: that of `connectTo` or `localAddress`, else 4. */
  readonly family?: 4 | 6
  /**
   * The only server this socket will talk to. The kernel then drops what others send, and tells when nothing listens there: requests end
   * with ERR_STUN_UNREACHABLE at once. Sockets that talk to several servers hear of no such thing and wait for the deadline.
   */
  readonly connectTo?: TransportAddress
  readonly clock?: Clock
  readonly logger?: Logger
  /** Requests under way at a time, 1 at least; default 256. */
  readonly maxRequests?: number
}

export interface StunUdpRequestOptions extends StunRequestOptions {
  /** Milliseconds until the request is sent again, doubled each time, 1 at least; default 500 (RFC 8489 §6.2.1). */
  readonly rtoMs?: number
  /** How often it is sent at most, 1 to 32; default 7. */
  readonly transmissions?: number
  /** Takes answers from elsewhere than the server, as CHANGE-REQUEST asks for; default: from the server only. */
  readonly acceptFrom?: (from: TransportAddress) => boolean
}

/** A UDP socket that asks any number of servers. The owner closes it. */
export interface StunUdp extends AsyncDisposable {
  readonly localAddress: string
  readonly localPort: number
  /** Resolves, never rejects, when the socket is closed: undefined after `close`, else why. */
  readonly ended: Promise<Error | undefined>
  /**
   * Sends a request, again until there is an answer (RFC 8489 §6.2.1), success or error. Answers count only when transaction id, method and
   * sender fit.
   * @param server an IP literal and port; names are for {@link resolveServer}.
   * @throws ERR_STUN_TIMEOUT, ERR_STUN_UNREACHABLE, ERR_STUN_INTEGRITY, ERR_STUN_RESPONSE, ERR_STUN_BUSY, ERR_STUN_CLOSED, or the signal's reason;
   * TypeError for options that make no sense.
   */
  request(request: StunRequest, server: TransportAddress, options?: StunUdpRequestOptions): Promise<StunResponse>
  /** Asks for the mapped address. @throws as {@link request}; ERR_STUN_RESPONSE also for error responses. */
  bind(server: TransportAddress, options?: StunUdpRequestOptions): Promise<BindingResult>
  /**
   * Sends any datagram, once.
   * @returns false when it was dropped, because a megabyte waits to be sent already or the socket is closed.
   */
  send(datagram: Uint8Array, to: TransportAddress): boolean
  /** The returned functions end the subscription. What throws in a handler is logged. */
  onIndication(receive: (message: ReceivedMessage, from: TransportAddress) => void): () => void
  /** Datagrams that are no STUN message: ChannelData, and whatever else comes. */
  onDatagram(receive: (datagram: Buffer, from: TransportAddress) => void): () => void
  /** Fails what is under way with ERR_STUN_CLOSED. Idempotent. */
  close(): Promise<void>
}

/**
 * Opens a UDP socket for STUN.
 * @throws ERR_STUN_SOCKET when the address or port cannot be had; TypeError for options that make no sense.
 */
export async function openStunUdp(options: OpenStunUdpOptions = {}): Promise<StunUdp> {
  const { localAddress, localPort = 0, connectTo, logger = silentLogger, maxRequests = 256 } = options
  const family = options.family ?? addressFamily(connectTo?.address ?? localAddress ?? '0.0.0.0')
  if (family === undefined) throw new TypeError(`${connectTo?.address ?? localAddress} is no IP address`)
  if (family !== 4 && family !== 6) throw new TypeError(`family is 4 or 6, not ${String(family)}`)
  if (!Number.isInteger(maxRequests) || maxRequests < 1) throw new TypeError(`maxRequests is a positive whole number, not ${maxRequests}`)
  const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', ipv6Only: family === 6, recvBufferSize: 1 << 20 })
  try {
    await bound(socket, localAddress ?? (family === 4 ? '0.0.0.0' : '::'), localPort)
    if (connectTo !== undefined) await connected(socket, connectTo)
  } catch (cause) {
    socket.close()
    const code = errorCode(cause)
    throw stunErrors.create('ERR_STUN_SOCKET', `Cannot open a UDP socket: ${(cause as Error).message}`, {
      cause,
      details: { localAddress, localPort, ...(code !== undefined && { code }) }
    })
  }
  return new UdpSocket(socket, options, logger)
}

/** What may wait for the network; the rest is dropped, as a full network would. */
const MAX_QUEUED_BYTES = 1 << 20

class UdpSocket implements StunUdp {
  readonly localAddress: string
  readonly localPort: number
  readonly ended: Promise<Error | undefined>
  readonly #socket: Socket
  readonly #peer: TransportAddress | undefined
  readonly #transactions: Transactions
  readonly #indications: Subscribers<[ReceivedMessage, TransportAddress]>
  readonly #datagrams: Subscribers<[Buffer, TransportAddress]>
  #closed = false
  #end: (error: Error | undefined) => void = () => {}

  constructor(socket: Socket, { clock = systemClock, connectTo, maxRequests }: OpenStunUdpOptions, logger: Logger) {
    const { address, port } = socket.address()
    this.localAddress = address
    this.localPort = port
    this.#socket = socket
    this.#peer = connectTo
    this.#transactions = new Transactions(clock, maxRequests)
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    const failed = (error: unknown): void => {
      logger.error('A handler of a STUN socket threw', { error })
    }
    this.#indications = new Subscribers(failed)
    this.#datagrams = new Subscribers(failed)
    socket.on('message', (datagram, { address, port }) => {
      this.#receive(datagram, { address, port })
    })
    socket.on('error', (error) => {
      this.#onError(error)
    })
  }

  request(request: StunRequest, server: TransportAddress, options: StunUdpRequestOptions = {}): Promise<StunResponse> {
    const { rtoMs = 500, transmissions = 7, acceptFrom, ...rest } = options
    if (addressFamily(server.address) === undefined) return Promise.reject(new TypeError(`${server.address} is no IP address`))
    return this.#transactions.request(request, {
      ...rest,
      server,
      retransmission: { rtoMs, count: transmissions },
      accepts: acceptFrom ?? ((from) => sameTransportAddress(from, server)),
      send: (bytes) => {
        this.send(bytes, server)
      }
    })
  }

  async bind(server: TransportAddress, options?: StunUdpRequestOptions): Promise<BindingResult> {
    return bindingResult(await this.request({ method: 'binding' }, server, options))
  }

  send(datagram: Uint8Array, to: TransportAddress): boolean {
    if (this.#closed || this.#socket.getSendQueueSize() > MAX_QUEUED_BYTES) return false
    const sent = (error: Error | null): void => {
      if (error !== null && !isTransient(error))
        this.#transactions.fail(unreachable(error, to), (server) => sameTransportAddress(server, to))
    }
    if (this.#peer === undefined) this.#socket.send(datagram, to.port, to.address, sent)
    else this.#socket.send(datagram, sent)
    return true
  }

  onIndication(receive: (message: ReceivedMessage, from: TransportAddress) => void): () => void {
    return this.#indications.add(receive)
  }

  onDatagram(receive: (datagram: Buffer, from: TransportAddress) => void): () => void {
    return this.#datagrams.add(receive)
  }

  async close(): Promise<void> {
    this.#finish(undefined)
    await this.ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #receive(datagram: Buffer, from: TransportAddress): void {
    if (this.#closed) return
    if (datagram.length < 20 || isChannelData(datagram) || datagram[0]! >> 6 !== 0) {
      this.#datagrams.tell(datagram, from)
      return
    }
    let message: ReceivedMessage
    try {
      message = decodeMessage(datagram, { legacy: true })
    } catch {
      this.#datagrams.tell(datagram, from)
      return
    }
    if (message.messageClass === 'indication' && !message.legacy) {
      if (message.unknownRequired.length === 0) this.#indications.tell(message, from)
    } else this.#transactions.receive(message, from)
  }

  #onError(error: Error): void {
    // A connected socket tells of ICMP errors here, and works on: the server may come back.
    if (this.#peer !== undefined && isUnreachable(error)) this.#transactions.fail(unreachable(error, this.#peer), () => true)
    else this.#finish(stunErrors.create('ERR_STUN_SOCKET', `The UDP socket broke: ${error.message}`, { cause: error }))
  }

  #finish(error: Error | undefined): void {
    if (this.#closed) return
    this.#closed = true
    this.#transactions.end(error ?? stunErrors.create('ERR_STUN_CLOSED', 'The STUN socket was closed'))
    this.#socket.close(() => {
      this.#end(error)
    })
  }
}

function bound(socket: Socket, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.bind({ address, port, exclusive: true }, () => {
      socket.removeListener('error', reject)
      resolve()
    })
  })
}

function connected(socket: Socket, { address, port }: TransportAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.connect(port, address, (error?: Error) => {
      if (error === undefined || error === null) resolve()
      else reject(error)
    })
  })
}

const unreachableCodes = [
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'ENETDOWN',
  'EACCES',
  'EPERM',
  'EINVAL',
  'EPROTO',
  'EMSGSIZE'
]

function isUnreachable(error: Error): boolean {
  return unreachableCodes.includes(errorCode(error) ?? '')
}

/** Full buffers: the datagram is lost, as any can be. */
function isTransient(error: Error): boolean {
  return ['EAGAIN', 'ENOBUFS', 'ENOMEM', 'EWOULDBLOCK'].includes(errorCode(error) ?? '')
}

function unreachable(cause: Error, to: TransportAddress): Error {
  const where = formatTransportAddress(to)
  const code = errorCode(cause)
  return stunErrors.create('ERR_STUN_UNREACHABLE', `${where} cannot be reached: ${code ?? cause.message}`, {
    cause,
    details: { server: where, ...(code !== undefined && { code }) }
  })
}
