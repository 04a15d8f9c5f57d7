import type { SocketCloseInfo } from '@kithmesh/core'

/** Message properties in wire order; keys are unique. */
export type Properties = Readonly<Record<string, string>>

/** Properties to be sent, in wire order; those that are undefined are left out. */
export type OutgoingProperties = Readonly<Record<string, string | undefined>>

/** A body that is read where it is needed, straight into the frame: such as a file. Every piece is asked for once, in order. */
export interface BodyReader {
  /** Bytes of the body. */
  readonly length: number
  /** Fills `target[offset, offset + length)` with the bytes from `position` on; throws when it cannot. */
  read(target: Uint8Array, offset: number, length: number, position: number): void
  /** Nothing more is read. Called once, when all was sent or the message is dropped. */
  close(): void
}

/** What a request is made of. */
export interface OutgoingMessage {
  /** The `Profile` property; undefined on replies. */
  readonly profile?: string
  readonly properties?: OutgoingProperties
  /** Whole bodies as bytes; large ones as pieces, pulled only as flow control allows, or to be read; in a reader's case only of replies. */
  readonly body?: Uint8Array | BodyReader | AsyncIterable<Uint8Array>
  readonly urgent?: boolean
  /** Wish to compress; the connection decides (level 0 never, and not worth it for tiny or incompressible bodies). */
  readonly compress?: boolean
}

export interface OutgoingRequest extends OutgoingMessage {
  readonly profile: string
  readonly noReply?: boolean
}

/** A whole received message. `body` is valid as long as it is referenced. */
export interface IncomingMessage {
  readonly properties: Properties
  readonly body: Buffer
}

export interface IncomingRequest extends IncomingMessage {
  readonly number: number
  readonly profile: string
  readonly noReply: boolean
  readonly urgent: boolean
  /** Answers once; a second answer, an answer to a no-reply request or after the end is ignored. */
  respond(reply?: OutgoingMessage): void
  /** Answers with an error reply (blip.md §5). Domain is `BLIP`, `HTTP` or `LiteCore`. */
  respondError(domain: string, code: number, message?: string): void
}

/** How a request ended. Exactly one of these, always. */
export type Reply =
  | { readonly kind: 'ok'; readonly properties: Properties; readonly body: Buffer }
  | { readonly kind: 'error'; readonly domain: string; readonly code: number; readonly message: string }
  /** The connection ended before the answer. */
  | { readonly kind: 'disconnected' }

export interface RequestOptions {
  /**
   * Receives the reply's body piece by piece instead of collecting it (blobs); `body` of the reply is then empty.
   * A returned promise delays the acknowledgement: back-pressure to the peer.
   */
  readonly onBody?: (piece: Buffer) => void | Promise<void>
  /**
   * `onBody` keeps nothing of a piece beyond its return: memory may be freed at once, and a piece is empty afterwards. One for which it returned a
   * promise stays as it is.
   * @default false
   */
  readonly releasesPieces?: boolean
  /** Ceiling for the reply's body; above it the request ends as an error `BLIP`/413 and the rest is thrown away. */
  readonly maxBodyBytes?: number
}

/** Both ends of an open BLIP connection, as the protocol session sees it. No sockets, no timers. */
export interface BlipPeer {
  /** Queues a request; `onReply` is called exactly once, never from inside this call. Omit it for no-reply requests. */
  request(request: OutgoingRequest, onReply?: (reply: Reply) => void, options?: RequestOptions): void
  /**
   * Sends what is queued now, as far as the socket takes it. Without it that happens at the end of the turn, which is better for most: but the turn lasts
   * until all that was read is handled, and the other side has nothing to do meanwhile.
   */
  flush?(): void
  /**
   * Registers the receiver of a profile's requests, at any time; until then they are answered `BLIP`/404. Several parts of a program may share a
   * connection, each with profiles of its own.
   * @throws TypeError when the profile has a receiver already.
   */
  handle(profile: string, handler: (request: IncomingRequest) => void): void
  /** Requests queued or unanswered; for back-pressure decisions. */
  readonly unansweredRequests: number
  /** Ends the connection. */
  close(code?: number, reason?: string): void
  /**
   * Calls back once when the connection has ended, or soon when it has already; never from inside this call. Everything waiting was completed as
   * `disconnected` before.
   */
  onClosed(listener: (info: SocketCloseInfo) => void): void
}

/**
 * A connection that is open and that others may use too, each with profiles of its own: replication, channels, whatever a program has to say to
 * another. Whoever ends what runs over it closes it for all.
 */
export interface OpenBlipConnection {
  readonly blip: BlipPeer
  /** The sub-protocol that both sides agreed on; empty where none was negotiated. */
  readonly protocol: string
  /** For people and logs. */
  readonly description: string
}
