import type { Duplex } from 'node:stream'
import type { Clock, Logger } from '@kithmesh/core/plugin'
import { ChannelManager } from '../l2cap/channel-manager.ts'
import type { ChannelLimits } from '../l2cap/channel-limits.ts'
import { MAX_TUNNEL_FRAME_BYTES, TunnelCarrier, decodeTunnelFrame } from './tunnel-carrier.ts'

/**
 * The PSM that streams have within a tunnel: there is one service at its other end. It has nothing to do with the PSM of the port
 * characteristic, which is 0 where streams are to go through a tunnel.
 */
const TUNNEL_PSM = 0x0080

/** Frames are larger than those of L2CAP itself may be on the air, and there are few streams to one device. */
const LIMITS: Partial<ChannelLimits> = { mps: MAX_TUNNEL_FRAME_BYTES, channels: 16, pendingOpens: 8, queuedFrames: 8 }

/**
 * One side of the stream characteristic on one GATT connection: of the central, writes without response; of the publisher, notifications.
 * What is sent arrives in order and whole, or the line is lost.
 */
export interface TunnelLine {
  /**
   * Bytes of the longest value that arrives whole: ATT_MTU − 3; longer ones are cut without a word (ble.md §6.9). At least 20. Looked at for
   * every frame, as it grows once the MTU has been exchanged.
   */
  readonly maxBytes: number
  /**
   * Sends one value, and keeps it. Must not throw.
   * @returns false when the line wants no more until {@link GattTunnel.ready} was called; this one it has taken. A line that cannot tell
   * returns true: then credits are the only bound, 64 frames for each stream
   */
  send(value: Buffer): boolean
  /** Ends the connection, or what it is used for here, as the other side broke the rules. {@link GattTunnel.closed} may be called, but need not. */
  fail(error: Error): void
}

export interface GattTunnelOptions {
  readonly line: TunnelLine
  readonly clock: Clock
  readonly logger: Logger
  /** Takes the streams that the other side opens, which belong to it. Looked at for every request; without it they are refused. */
  readonly onStream?: ((stream: Duplex) => void) | undefined
  readonly limits?: Partial<ChannelLimits>
}

/**
 * Streams through the stream characteristic, for where there are no L2CAP channels (ble.md §4): every value is a frame of L2CAP, the channel
 * identifier (16 bits, little-endian) and the payload, with the signalling and the credits of LE credit-based channels inside. One on each
 * GATT connection, made when the central has subscribed to the characteristic. Either side may open streams.
 *
 * @example
 * const tunnel = new GattTunnel({ line, clock, logger, onStream: (stream) => { accept(stream) } })
 * characteristic.on('write', (value) => { tunnel.receive(value) })
 * link.on('disconnect', (error) => { tunnel.closed(error) })
 */
export class GattTunnel {
  readonly #carrier: TunnelCarrier
  readonly #channels: ChannelManager

  constructor(options: GattTunnelOptions) {
    const { line, clock, logger, limits } = options
    this.#carrier = new TunnelCarrier(line, (error) => {
      this.#channels.closed(error)
    })
    this.#channels = new ChannelManager({
      carrier: this.#carrier,
      clock,
      logger,
      accept: (psm) => (psm === TUNNEL_PSM ? options.onStream : undefined),
      limits: { ...LIMITS, ...limits }
    })
  }

  /** Streams that are open or ending. */
  get streams(): number {
    return this.#channels.count
  }

  /** A value came from the other side, which belongs to the callee. Whatever it is, nothing is thrown. */
  receive(value: Buffer): void {
    const frame = decodeTunnelFrame(value)
    if (frame !== undefined) this.#channels.receive(frame.cid, frame.payload)
  }

  /** The line takes values again, after its `send` returned false. */
  ready(): void {
    this.#carrier.ready()
  }

  /**
   * Opens a stream to the other side.
   * @throws ERR_BLE_CHANNEL_REFUSED, ERR_BLE_TIMEOUT, ERR_BLE_LINK_LOST, ERR_BLE_LIMIT, ERR_BLE_PROTOCOL, the signal's reason
   */
  async open(options: { readonly signal: AbortSignal }): Promise<Duplex> {
    return await this.#channels.open(TUNNEL_PSM, options)
  }

  /** The connection or the subscription is gone: streams fail. Idempotent. */
  closed(error: Error): void {
    this.#carrier.close()
    this.#channels.closed(error)
  }
}
