import type { ByteSocket, ByteSocketFactory, MessageSocket, MessageSocketFactory } from '@kithmesh/core'

/** What the socket factory suite is given, for a factory of one framing. */
export interface SocketHarness<Factory, Socket> {
  /** The subject; its framing decides which tests apply. */
  readonly factory: Factory
  /**
   * Begins to accept connections to `url`, made without the subject where there is another implementation.
   * `accept` is called once per open connection, in the same turn; the suite owns the socket from then on.
   */
  listen(accept: (socket: Socket) => void): Promise<TestListener>
  /**
   * Accepts connections and never says a word, where opening takes an answer of the other side (TLS, WebSocket).
   * Leave it out when it does not.
   */
  listenSilently?(): Promise<SilentListener>
  /** Bound for each thing the suite waits for, milliseconds. @default 10000 */
  readonly settleMs?: number
}

export interface TestListener {
  readonly url: string
  readonly addresses?: readonly string[]
  /** Stops accepting: the URL then leads nowhere. Idempotent; accepted sockets live on. */
  close(): Promise<void>
}

export interface SilentListener extends TestListener {
  /** Connections that are open now. */
  connections(): number
}

export type ByteSocketHarness = SocketHarness<ByteSocketFactory, ByteSocket>
export type MessageSocketHarness = SocketHarness<MessageSocketFactory, MessageSocket>
