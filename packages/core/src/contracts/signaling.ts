/**
 * A side channel to peers that cannot be dialled yet: small messages, sealed end to end and signed by the sender.
 * Implemented by `provider-mqtt`; used by reverse connect, hole punching and relays.
 */
export interface SignalingChannel {
  /** Resolves when the message was handed over; at most 16 KiB. Delivery is not guaranteed. */
  send(toPeerId: string, message: Uint8Array, options: { readonly signal: AbortSignal }): Promise<void>
  /** The returned function ends the subscription. Only messages with a valid signature of `fromPeerId` arrive. */
  onMessage(receive: (fromPeerId: string, message: Uint8Array) => void): () => void
}
