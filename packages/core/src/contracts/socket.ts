import type { Duplex } from 'node:stream'

/**
 * An ordered, reliable byte stream to a peer. Ownership passes with the value: whoever holds it must end or destroy it.
 * An error destroys the stream; `close` is emitted exactly once, always.
 */
export type ByteSocket = Duplex

/** Why a message socket ended. */
export interface SocketCloseInfo {
  /** WebSocket close code (RFC 6455 §7.4): 1000 normal, 1006 without a close frame, 4001 transient, 4002 permanent. */
  readonly code: number
  readonly reason: string
  /** The transport error behind an abnormal end. */
  readonly error?: Error
}

/** What the owner of a message socket is told. `closed` comes exactly once, always, and nothing after it. */
export interface MessageSocketHandlers {
  /** One whole message. The bytes belong to the receiver and stay valid, unless it calls {@link MessageSocket.release}. */
  message(data: Buffer): void
  /** The send buffer has room again, after `send` returned false. */
  drained(): void
  closed(info: SocketCloseInfo): void
}

/** An ordered, reliable stream of whole binary messages to a peer: an open WebSocket, or anything that keeps boundaries. */
export interface MessageSocket {
  /** The application protocol agreed on, e.g. `BLIP_3+CBMobile_3`; empty when none was negotiated. */
  readonly protocol: string
  /** For people and logs: `wss://192.168.1.4:4984/db`. */
  readonly description: string
  /** Bytes accepted by `send` and not yet handed to the operating system. */
  readonly bufferedBytes: number
  /**
   * Bytes given to `send` are not looked at any more once they no longer count in `bufferedBytes`: the sender may write over them then.
   * @default false
   */
  readonly releasesBytes?: boolean
  /**
   * Takes over: messages that came earlier are delivered now, in order. May be called once.
   * Before it nothing is read beyond a small bounded buffer.
   */
  attach(handlers: MessageSocketHandlers): void
  /**
   * Queues one message; false means that the buffer is above its mark and the caller should wait for `drained`.
   * The bytes must not be changed afterwards, but see `releasesBytes`. After the end it returns false and does nothing.
   */
  send(message: Uint8Array): boolean
  /** Hands to the operating system now what `send` has gathered; without it that happens at the end of the turn. */
  flush?(): void
  /**
   * Nothing of the message is kept, so that its memory may be freed at once: called by its receiver before `message` returns, at most once for each.
   * Without it a message stays valid as long as anybody has it.
   */
  release?(message: Uint8Array): void
  /** Stops reading: back-pressure towards the peer. */
  pause(): void
  resume(): void
  /** Begins the closing handshake; the connection is cut when it takes longer than five seconds. Idempotent. */
  close(code?: number, reason?: string): void
  /** Cuts the connection at once. Idempotent. */
  terminate(error?: Error): void
  /**
   * Asks the other side for a sign of life and cuts the connection when none comes within that many milliseconds, for instance because the
   * network changed and nobody would notice otherwise. Does nothing while paused or closing.
   */
  probe?(withinMs: number): void
}

export interface OpenSocketOptions {
  readonly signal: AbortSignal
  /** Concrete addresses for the host of the URL, when discovery knows them. */
  readonly addresses?: readonly string[]
}

/** Opens byte streams to URLs of its schemes. */
export interface ByteSocketFactory {
  readonly framing: 'bytes'
  /** URL schemes without colon, e.g. `['l2cap']`. */
  readonly schemes: readonly string[]
  /** Resolves with an open stream; rejects within the factory's deadline, or with the signal's reason. */
  open(url: string, options: OpenSocketOptions): Promise<ByteSocket>
}

export interface OpenMessageSocketOptions extends OpenSocketOptions {
  /** Offered application protocols, best first. */
  readonly protocols: readonly string[]
  readonly headers?: Readonly<Record<string, string>>
}

/** Opens message sockets to URLs of its schemes. */
export interface MessageSocketFactory {
  readonly framing: 'messages'
  readonly schemes: readonly string[]
  open(url: string, options: OpenMessageSocketOptions): Promise<MessageSocket>
}

export type SocketFactory = ByteSocketFactory | MessageSocketFactory
