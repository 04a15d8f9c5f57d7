import type { Duplex } from 'node:stream'
import type { Clock, Logger } from '@kithmesh/core'
import type { TransportAddress } from '../codec/transport-address.ts'
import type { StunTlsOptions } from '../stream/dial.ts'
import type { RedirectPolicy } from '../transaction/redirect-policy.ts'

export interface TurnClientOptions {
  /** `turn:host`, `turn:host:port?transport=tcp` or `turns:host` (RFC 7065). */
  readonly uri: string
  readonly username: string
  /** The password of the long-term credentials. */
  readonly credential: string
  /** Of the server's address; default: whichever of the host's addresses answers first, one after the other. */
  readonly family?: 4 | 6
  /** The local address control and data connections come from. */
  readonly localAddress?: string
  readonly tls?: StunTlsOptions
  /** Where 300 (try alternate) may lead; default nowhere. */
  readonly allowRedirect?: RedirectPolicy
  /** Milliseconds for each request to the server, 1 to 3,600,000; default 5,000. */
  readonly requestTimeoutMs?: number
  /**
   * How often an allocation is refreshed at least, 100 to 3,600,000 milliseconds; default 60,000. A server that was restarted is noticed after this long when nothing
   * else tells, as over UDP.
   */
  readonly checkIntervalMs?: number
  readonly clock?: Clock
  readonly logger?: Logger
}

export interface TurnOperationOptions {
  readonly signal?: AbortSignal
  /** Milliseconds for the whole operation, 3,600,000 at most; default 10,000, for `TcpAllocation.connect` 40,000. */
  readonly deadlineMs?: number
}

export interface AllocateOptions extends TurnOperationOptions {
  /** Of the relay's address: peers must have the same; default that of the server's address. */
  readonly family?: 4 | 6
  /** Seconds asked for, 1 to 4,294,967,295; default 600. Refreshed well before. */
  readonly lifetime?: number
}

/** One TURN server and the credentials for it. Each allocation has a control connection of its own (RFC 8656 §3). */
export interface TurnClient extends AsyncDisposable {
  readonly uri: string
  /**
   * A relay for datagrams.
   * @throws ERR_STUN_RESOLVE, ERR_STUN_CONNECT, ERR_STUN_TIMEOUT, ERR_STUN_UNREACHABLE, ERR_STUN_CREDENTIALS, ERR_STUN_REDIRECT, ERR_TURN_QUOTA,
   * ERR_TURN_CAPACITY, ERR_TURN_FAMILY, ERR_TURN_TRANSPORT, ERR_TURN_FORBIDDEN, ERR_TURN_REFUSED, or the signal's reason.
   */
  allocateUdp(options?: AllocateOptions): Promise<UdpAllocation>
  /**
   * A relay for TCP connections (RFC 6062). The control connection must be TCP or TLS.
   * @throws as {@link allocateUdp}; ERR_TURN_TRANSPORT also for a `turn:` URI without `?transport=tcp`, and for servers without RFC 6062.
   */
  allocateTcp(options?: AllocateOptions): Promise<TcpAllocation>
  /** Closes all allocations. Idempotent. */
  close(): Promise<void>
}

/** What both kinds of relay have. Permissions and the allocation itself are refreshed until it is closed or lost. */
export interface Allocation extends AsyncDisposable {
  /** Where peers send to, or connect to. */
  readonly relayed: TransportAddress
  /** This client as the server sees it. */
  readonly mapped: TransportAddress
  readonly local: TransportAddress
  readonly server: TransportAddress
  /** Resolves, never rejects, when the allocation is over: with ERR_TURN_LOST, or undefined when it was closed. */
  readonly ended: Promise<Error | undefined>
  /**
   * Lets peers with this IP address reach the relay, whatever their port (RFC 8656 §9). Kept up until the allocation ends; calling it
   * again for the same address does nothing. At most 64 addresses.
   * @throws ERR_TURN_FORBIDDEN, ERR_TURN_FAMILY, ERR_TURN_MISMATCH, ERR_TURN_CAPACITY, ERR_TURN_LIMIT, ERR_TURN_CLOSED, ERR_STUN_TIMEOUT
   */
  permit(peerAddress: string, options?: TurnOperationOptions): Promise<void>
  /** Gives the relay back (lifetime 0) and closes everything. Idempotent; does not throw. */
  close(): Promise<void>
}

export interface UdpAllocation extends Allocation {
  /**
   * Sends a datagram to a peer that is permitted: on its channel if it has one, in a Send indication otherwise. Nothing says whether it arrives.
   * @returns false when it was dropped, because the control connection is congested or the allocation ended.
   * @throws TypeError for more than 65,507 bytes.
   */
  send(data: Uint8Array, peer: TransportAddress): boolean
  /**
   * Permits the peer and gives it a channel: 4 bytes instead of 36 with each datagram. At most 64. Kept up until the allocation ends.
   * Data flow in indications where this fails: some servers have no channels.
   */
  bindChannel(peer: TransportAddress, options?: TurnOperationOptions): Promise<void>
  /** Datagrams from permitted peers. The bytes are the handler's to keep. The returned function ends the subscription. */
  onData(receive: (data: Buffer, from: TransportAddress) => void): () => void
}

export interface TcpAllocation extends Allocation {
  /**
   * Has the server connect to a peer, and permits the peer. The stream is the caller's.
   * @throws ERR_TURN_PEER_UNREACHABLE, ERR_TURN_CONNECTION_EXISTS, ERR_TURN_FORBIDDEN, ERR_STUN_CONNECT, ERR_STUN_TIMEOUT, ERR_TURN_CLOSED.
   */
  connect(peer: TransportAddress, options?: TurnOperationOptions): Promise<Duplex>
  /**
   * Connections that permitted peers make to the relay; the stream is the handler's. There is one handler, the last that was given; without
   * any, connections are refused. The returned function ends the subscription.
   */
  onConnection(accept: (stream: Duplex, from: TransportAddress) => void): () => void
}
