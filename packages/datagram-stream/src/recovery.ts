import { CongestionController } from './congestion-controller.ts'
import { Pacer } from './pacer.ts'
import type { Acknowledgement } from './packet.ts'
import { PathSize } from './path-size.ts'
import { RttEstimator } from './rtt-estimator.ts'
import type { SendBuffer, StreamPart } from './send-buffer.ts'
import { type SentPacket, SentPackets } from './sent-packets.ts'

/** Packets sent after a time-out, to get an acknowledgement (RFC 9002 §6.2.4). */
const PROBES = 2
/** Time-outs do not grow further, so that a stream goes on soon after a long gap. */
const MAX_PROBE_TIMEOUT_MS = 2_000

export interface RecoveryOptions {
  readonly maxDatagram: number
  readonly windowBytes: number
  /** Gets back what is acknowledged or lost. */
  readonly send: SendBuffer
  /** Told of each packet that is lost; its part of the stream is dealt with already. */
  readonly lost: (packet: SentPacket) => void
}

/** What is under way: when it counts as lost, and when how much more may follow (RFC 9002). */
export class Recovery {
  readonly rtt = new RttEstimator()
  readonly sentPackets = new SentPackets()
  readonly #congestion: CongestionController
  readonly #options: RecoveryOptions
  readonly #pacer: Pacer
  readonly #size: PathSize
  /** In a row. */
  #timeouts = 0
  #probes = 0
  #paced = false

  constructor(options: RecoveryOptions) {
    this.#options = options
    this.#congestion = new CongestionController(options.maxDatagram, options.windowBytes)
    this.#pacer = new Pacer(options.maxDatagram)
    this.#size = new PathSize(options.maxDatagram)
  }

  /** Something is to be sent whatever the congestion. */
  get probing(): boolean {
    return this.#probes > 0
  }

  /** When {@link advance} or {@link grant} has something to do at the latest. */
  get dueAt(): number {
    return Math.min(this.sentPackets.lossAt ?? this.#probeAt, this.#paced ? this.#pacer.readyAt : Number.POSITIVE_INFINITY)
  }

  get #probeAt(): number {
    if (this.sentPackets.bytesInFlight === 0) return Number.POSITIVE_INFINITY
    const timeout = this.rtt.probeTimeout
    return this.sentPackets.lastSentAt + Math.min(timeout * 2 ** this.#timeouts, Math.max(timeout, MAX_PROBE_TIMEOUT_MS))
  }

  /** @returns the packets that were not acknowledged before; undefined when the acknowledgement cannot be true */
  acknowledge(ack: Acknowledgement, now: number): readonly SentPacket[] | undefined {
    const before = this.sentPackets.bytesInFlight
    const acknowledged = this.sentPackets.acknowledge(ack.ranges)
    if (acknowledged === undefined) return undefined
    const { packets, largest } = acknowledged
    if (packets.length === 0) return packets
    if (largest !== undefined) this.rtt.sample(now - largest.sentAt, ack.ageMs)
    const { window, slowStart } = this.#congestion
    const limited = slowStart ? 2 * before >= window : before + 3 * this.#options.maxDatagram >= window
    this.#timeouts = 0
    for (const packet of packets) {
      if (packet.end > packet.start) this.#options.send.acknowledged(packet.start, packet.end)
      if (packet.late) this.#congestion.wasLate(packet.sentAt)
      this.#congestion.acknowledged(packet.bytes, packet.sentAt, limited)
      this.#size.acknowledged(packet.bytes, now)
    }
    this.#detectLost(now)
    return packets
  }

  /** What time alone brings about. */
  advance(now: number): void {
    const { lossAt } = this.sentPackets
    if (lossAt !== undefined) {
      if (now >= lossAt) this.#detectLost(now)
    } else if (now >= this.#probeAt) {
      this.#timeouts++
      this.#probes = PROBES
      for (const packet of this.sentPackets.oldest(PROBES)) this.#options.send.lost(packet.start, packet.end)
    }
  }

  /** @param wanted whether there is anything to be sent @returns bytes of the largest datagram that may go now; 0 when none may */
  grant(wanted: boolean, now: number): number {
    this.#paced = false
    if (!wanted) return 0
    const bytes = this.#size.next(now, this.#timeouts)
    if (this.probing) return bytes
    const { window } = this.#congestion
    if (this.sentPackets.bytesInFlight + bytes > window) return 0
    this.#pacer.update(now, window, this.rtt.smoothed)
    this.#paced = !this.#pacer.ready
    return this.#paced ? 0 : bytes
  }

  /** A packet with a part of the stream, which was granted, is on its way. */
  sentData(bytes: number, { start, end }: StreamPart, now: number): void {
    this.#pacer.sent(bytes)
    this.#size.sent(bytes, now)
    if (this.#probes > 0) this.#probes--
    this.#sent(bytes, start, end, now)
  }

  /** A packet without data is on its way. @param wanted whether it is to be acknowledged */
  sentControl(bytes: number, wanted: boolean, now: number): void {
    if (wanted) this.#sent(bytes, 0, 0, now)
    else this.sentPackets.sent(undefined)
  }

  /** A packet without data goes instead of those that would only get an acknowledgement. */
  probed(): void {
    this.#probes = 0
  }

  #sent(bytes: number, start: number, end: number, now: number): void {
    this.sentPackets.sent({ number: this.sentPackets.nextNumber, sentAt: now, bytes, start, end, state: 'sent', late: false })
  }

  #detectLost(now: number): void {
    const lost = this.sentPackets.detectLost(now, this.rtt)
    if (lost.length === 0) return
    for (const packet of lost) {
      if (packet.end > packet.start) this.#options.send.lost(packet.start, packet.end)
      if (this.#size.lost(packet.bytes)) this.#congestion.lost(packet.sentAt, now)
      this.#options.lost(packet)
    }
    if (this.sentPackets.brokeDown(lost, this.rtt.persistentCongestion)) this.#congestion.brokeDown()
  }
}
