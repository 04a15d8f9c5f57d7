/**
 * A side channel to peers that cannot be dialled yet: small messages, sealed end to end and signed by the sender.
 * Implemented by providers such as `provider-mqtt`; the discovery joins those of all providers to one {@link Signaling}.
 */
export interface SignalingChannel {
  /** Whether the peer is known to listen on this channel now. */
  reaches(peerId: string): boolean
  /** Resolves when the message was handed over; at most 16 KiB. Delivery is not guaranteed, and neither is that it comes only once. */
  send(toPeerId: string, message: Uint8Array, options: { readonly signal: AbortSignal }): Promise<void>
  /** The returned function ends the subscription. Only messages with a valid signature of `fromPeerId` arrive. */
  onMessage(receive: (fromPeerId: string, message: Uint8Array) => void): () => void
}

/** A JSON object small enough for signalling. */
export type SignalingBody = Readonly<Record<string, unknown>>

/** Answers a request of a peer; what it throws reaches the peer as code and message. Undefined answers nothing. */
export type SignalingHandler = (
  fromPeerId: string,
  body: SignalingBody,
  options: { /** Aborts when the requester's time is up or the discovery shuts down. */ readonly signal: AbortSignal }
) => SignalingBody | undefined | Promise<SignalingBody | undefined>

/** Requests and answers between the strategies of two devices, over whatever channel reaches the other. */
export interface Signaling {
  /** Whether any channel could carry a message to the peer now. */
  reaches(peerId: string): boolean
  /**
   * Asks a peer and resolves with its answer.
   * @throws ERR_SIGNAL_UNREACHABLE when no channel reaches the peer; ERR_SIGNAL_NO_ANSWER when nothing came in time;
   * ERR_SIGNAL_REFUSED with the peer's code and message in `details`; ERR_SIGNAL_TOO_LARGE; the signal's reason.
   */
  request(toPeerId: string, kind: string, body: SignalingBody, options: SignalingRequestOptions): Promise<SignalingBody>
  /** Sends without asking for an answer. @throws as {@link Signaling.request}, but for answers */
  notify(toPeerId: string, kind: string, body: SignalingBody, options: { readonly signal: AbortSignal }): Promise<void>
  /** Answers requests and takes notices of a kind; one handler per kind. The returned function ends it. */
  handle(kind: string, handler: SignalingHandler): () => void
}

export interface SignalingRequestOptions {
  readonly signal: AbortSignal
  /** Milliseconds to wait for the answer. @default 5000 */
  readonly timeoutMs?: number
}
