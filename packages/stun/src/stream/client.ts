import type { Socket } from 'node:net'
import { silentLogger, systemClock, type Clock, type Logger } from '@kithmesh/core'
import { isChannelData } from '../codec/channel-data.ts'
import { decodeMessage, type ReceivedMessage } from '../codec/decode-message.ts'
import { MAX_MESSAGE_BYTES } from '../codec/message.ts'
import { StreamDeframer } from '../codec/stream-deframer.ts'
import { canonicalAddress, formatTransportAddress, type TransportAddress } from '../codec/transport-address.ts'
import { stunErrors } from '../errors.ts'
import { Subscribers } from '../subscribers.ts'
import { bindingResult, type BindingResult } from '../transaction/binding.ts'
import { deadline } from '../transaction/deadline.ts'
import type { StunRequest, StunRequestOptions, StunResponse } from '../transaction/request.ts'
import { Transactions } from '../transaction/transactions.ts'
import { dialServer, type StunTlsOptions } from './dial.ts'

export interface OpenStunTcpOptions {
  /** An IP literal and port; names are for {@link resolveServer}. */
  readonly server: TransportAddress
  /** Where the connection comes from: for hole punching the port that is to be punched. Nothing may listen on it. */
  readonly localAddress?: string
  readonly localPort?: number
  /** TLS, with `host` as the name the certificate must have; default plain TCP. */
  readonly tls?: StunTlsOptions & { readonly host: string }
  readonly clock?: Clock
  readonly logger?: Logger
  readonly signal?: AbortSignal
  /** Milliseconds for connecting, TLS included, 3,600,000 at most; default 10,000. */
  readonly deadlineMs?: number
}

/** A TCP or TLS connection to a STUN server. It stays open, which keeps the NAT's mapping, until the owner closes it. */
export interface StunTcp extends AsyncDisposable {
  readonly server: TransportAddress
  readonly localAddress: string
  readonly localPort: number
  /** Resolves, never rejects, when the connection is over: undefined after `close`, else why. */
  readonly ended: Promise<Error | undefined>
  /**
   * Sends a request, once (RFC 8489 §6.2.2), and waits for the answer, success or error.
   * @throws ERR_STUN_TIMEOUT, ERR_STUN_INTEGRITY, ERR_STUN_RESPONSE, ERR_STUN_BUSY, ERR_STUN_CLOSED, or the signal's reason.
   */
  request(request: StunRequest, options?: StunRequestOptions): Promise<StunResponse>
  /** Asks for the mapped address. @throws as {@link request}; ERR_STUN_RESPONSE also for error responses. */
  bind(options?: StunRequestOptions): Promise<BindingResult>
  /** The returned function ends the subscription. What throws in a handler is logged. */
  onIndication(receive: (message: ReceivedMessage) => void): () => void
  /** Fails what is under way with ERR_STUN_CLOSED. Idempotent. */
  close(): Promise<void>
}

/**
 * Connects to a STUN server over TCP or TLS.
 * @throws ERR_STUN_SOCKET when the local address or port cannot be had, ERR_STUN_CONNECT, ERR_STUN_TIMEOUT, or the signal's reason;
 * TypeError for options that make no sense.
 */
export async function openStunTcp(options: OpenStunTcpOptions): Promise<StunTcp> {
  return openStreamClient(options)
}

/** What {@link openStunTcp} gives, with what only the TURN client needs. */
export async function openStreamClient(options: OpenStunTcpOptions): Promise<StreamClient> {
  const { server, clock = systemClock, deadlineMs = 10_000, localAddress, localPort, tls } = options
  const limit = deadline(clock, deadlineMs, `Connecting to ${formatTransportAddress(server)}`, options.signal)
  try {
    const socket = await dialServer({ server, localAddress, localPort, tls, signal: limit.signal })
    return new StreamClient(socket, server, clock, options.logger ?? silentLogger)
  } finally {
    limit.release()
  }
}

/** Frames over one connection. */
export class StreamClient implements StunTcp {
  readonly server: TransportAddress
  readonly localAddress: string
  readonly localPort: number
  readonly ended: Promise<Error | undefined>
  readonly #socket: Socket
  readonly #transactions: Transactions
  readonly #deframer = new StreamDeframer(MAX_MESSAGE_BYTES, () => this.#channelData.size > 0)
  readonly #indications: Subscribers<[ReceivedMessage]>
  readonly #channelData: Subscribers<[Buffer]>
  #reading = true
  #over = false
  #end: (error: Error | undefined) => void = () => {}

  constructor(socket: Socket, server: TransportAddress, clock: Clock, logger: Logger) {
    this.server = server
    this.localAddress = canonicalAddress(socket.localAddress ?? '')
    this.localPort = socket.localPort ?? 0
    this.#socket = socket
    this.#transactions = new Transactions(clock)
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    const failed = (error: unknown): void => {
      logger.error('A handler of a STUN connection threw', { error })
    }
    this.#indications = new Subscribers(failed)
    this.#channelData = new Subscribers(failed)
    socket.on('data', this.#onData)
    socket.on('error', this.#onError)
    socket.on('end', this.#onEnd)
    socket.on('close', this.#onEnd)
  }

  /** Bytes that wait to be sent. */
  get writableLength(): number {
    return this.#socket.writableLength
  }

  request(request: StunRequest, options: StunRequestOptions = {}): Promise<StunResponse> {
    return this.#request(request, options, undefined)
  }

  async bind(options?: StunRequestOptions): Promise<BindingResult> {
    return bindingResult(await this.request({ method: 'binding' }, options))
  }

  /** As {@link request}; what follows a success response is not read any more but left for {@link detach}. */
  requestLast(request: StunRequest, options: StunRequestOptions): Promise<StunResponse> {
    return this.#request(request, options, () => {
      this.#reading = false
      this.#socket.pause()
    })
  }

  /** Gives the socket away, with all bytes that are not read as frames. This client is over then. */
  detach(): Socket {
    const socket = this.#socket
    socket.pause()
    socket.removeListener('data', this.#onData)
    socket.removeListener('error', this.#onError)
    socket.removeListener('end', this.#onEnd)
    socket.removeListener('close', this.#onEnd)
    const rest = this.#deframer.rest()
    if (rest.length > 0)
      socket.unshift(rest)
      // As a socket that nobody has read from yet: it flows when somebody listens. Node does the same when it gives away a socket at an upgrade.
    ;(socket as { readableFlowing: boolean | null }).readableFlowing = null
    this.#over = true
    this.#transactions.end(stunErrors.create('ERR_STUN_CLOSED', 'The STUN connection was given away'))
    this.#end(undefined)
    return socket
  }

  /** Sends a frame. The caller looks at {@link writableLength} first. */
  write(frame: Uint8Array): void {
    if (!this.#over) this.#socket.write(frame)
  }

  onIndication(receive: (message: ReceivedMessage) => void): () => void {
    return this.#indications.add(receive)
  }

  /** Whole ChannelData frames. While nobody asks for them, they break the connection. */
  onChannelData(receive: (frame: Buffer) => void): () => void {
    return this.#channelData.add(receive)
  }

  async close(): Promise<void> {
    this.#finish(undefined)
    await this.ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #request(request: StunRequest, options: StunRequestOptions, onSuccess: (() => void) | undefined): Promise<StunResponse> {
    return this.#transactions.request(request, {
      ...options,
      server: this.server,
      retransmission: undefined,
      accepts: () => true,
      onSuccess,
      send: (bytes) => {
        this.write(bytes)
      }
    })
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#deframer.push(chunk)
    try {
      while (this.#reading && !this.#over) {
        const frame = this.#deframer.next()
        if (frame === undefined) return
        if (isChannelData(frame)) this.#channelData.tell(frame)
        else this.#receive(decodeMessage(frame))
      }
    } catch (cause) {
      this.#finish(
        stunErrors.create('ERR_STUN_CLOSED', `${formatTransportAddress(this.server)} sent something that is not STUN`, {
          cause,
          hint: stunErrors.catalogue.ERR_STUN_MALFORMED.hint
        })
      )
    }
  }

  readonly #onError = (cause: Error): void => {
    this.#finish(
      stunErrors.create('ERR_STUN_CLOSED', `The connection to ${formatTransportAddress(this.server)} broke: ${cause.message}`, { cause })
    )
  }

  readonly #onEnd = (): void => {
    this.#finish(stunErrors.create('ERR_STUN_CLOSED', `${formatTransportAddress(this.server)} closed the connection`))
  }

  #receive(message: ReceivedMessage): void {
    if (message.messageClass !== 'indication') this.#transactions.receive(message, this.server)
    else if (message.unknownRequired.length === 0) this.#indications.tell(message)
  }

  #finish(error: Error | undefined): void {
    if (this.#over) return
    this.#over = true
    this.#socket.removeListener('data', this.#onData)
    this.#socket.on('error', () => {})
    this.#transactions.end(error ?? stunErrors.create('ERR_STUN_CLOSED', 'The STUN connection was closed'))
    const closed = (): void => {
      this.#end(error)
    }
    if (this.#socket.destroyed) closed()
    else {
      this.#socket.once('close', closed)
      this.#socket.destroy()
    }
  }
}
