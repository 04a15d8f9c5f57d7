/**
 * What L2CAP frames travel over: an ACL link of the controller, or the stream characteristic, whose writes and notifications are frames as
 * well (ble.md §4). Ordered; nothing is lost while it is open.
 */
export interface FrameCarrier {
  /** Bytes of the largest frame it takes, without the four bytes of the basic L2CAP header; at least 14. May grow once (ATT MTU exchange). */
  readonly maxFrameBytes: number
  /** Frames accepted and not yet taken by the controller. A channel with credits still waits while this is at or above its mark. */
  readonly queuedFrames: number
  /** Queues one frame. The parts are joined before it returns; their bytes may be changed afterwards. Does nothing once closed. */
  send(cid: number, parts: readonly Uint8Array[]): void
  /** Told whenever frames were taken from the queue. One listener: the channels. May be called from within `send`. */
  onDrained: (() => void) | undefined
  /** Ends what carries the frames, after a violation of the protocol. `ChannelManager.closed` is called as for any other end. */
  fail(error: Error): void
}
