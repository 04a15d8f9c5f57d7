import type { RttEstimator } from './rtt-estimator.ts'

const PACKET_THRESHOLD = 3
const MAX_PACKET_THRESHOLD = 64
const MAX_PATIENCE = 2
/** Round trips for which a packet that counts as lost may still be acknowledged and show that it was only late. */
const KEEP_LOST_ROUND_TRIPS = 3

/** A packet that has to be acknowledged. */
export interface SentPacket {
  readonly number: number
  readonly sentAt: number
  readonly bytes: number
  /** The part of the stream in it; its end counts as one more byte. Empty when equal. */
  readonly start: number
  readonly end: number
  state: 'sent' | 'acknowledged' | 'lost'
  /** It counted as lost before it was acknowledged. */
  late: boolean
}

/** What an acknowledgement brought. */
export interface Acknowledged {
  readonly packets: SentPacket[]
  /** The largest number acknowledged, when that packet was not yet. */
  readonly largest: SentPacket | undefined
}

/** Packets under way, and which of them are lost (RFC 9002 §6.1). */
export class SentPackets {
  /** Ordered by number, all of a run; undefined for those that nobody acknowledges. */
  #packets: (SentPacket | undefined)[] = []
  #head = 0
  #first = 0
  #largestAcknowledged = -1
  #threshold = PACKET_THRESHOLD
  /** Factor on the time after which a packet counts as lost. */
  #patience = 1
  /** Bytes that are neither acknowledged nor lost. */
  bytesInFlight = 0
  /** When the next packet will count as lost, if no acknowledgement comes. */
  lossAt: number | undefined
  /** When the last packet was sent that wants an acknowledgement. */
  lastSentAt = 0
  lostPackets = 0

  get nextNumber(): number {
    return this.#first + this.#packets.length - this.#head
  }

  /** Packets under way must be recorded in order; undefined stands for one that wants no acknowledgement. */
  sent(packet: SentPacket | undefined): void {
    this.#packets.push(packet)
    if (packet === undefined) {
      if (this.bytesInFlight === 0) this.#prune(Number.POSITIVE_INFINITY)
      return
    }
    this.bytesInFlight += packet.bytes
    this.lastSentAt = packet.sentAt
  }

  /** @param ranges pairs of first and last, the highest first. @returns undefined when a packet is named that was never sent */
  acknowledge(ranges: readonly number[]): Acknowledged | undefined {
    const next = this.nextNumber
    if (ranges[1]! >= next) return undefined
    const packets: SentPacket[] = []
    let largest: SentPacket | undefined
    for (let index = 0; index < ranges.length; index += 2) {
      const first = Math.max(ranges[index]!, this.#first)
      for (let number = ranges[index + 1]!; number >= first; number--) {
        const packet = this.#packets[this.#head + number - this.#first]
        if (packet === undefined || packet.state === 'acknowledged') continue
        packet.late = packet.state === 'lost'
        if (packet.late) this.#wasLate()
        else this.bytesInFlight -= packet.bytes
        if (number === ranges[1]) largest = packet
        packet.state = 'acknowledged'
        packets.push(packet)
      }
    }
    this.#largestAcknowledged = Math.max(this.#largestAcknowledged, ranges[1]!)
    return { packets, largest }
  }

  /** Packets that are lost as of now: enough later ones were acknowledged, or later ones were long ago. Sets {@link lossAt}. */
  detectLost(now: number, rtt: RttEstimator): SentPacket[] {
    this.lossAt = undefined
    const lost: SentPacket[] = []
    const lossDelay = rtt.lossDelay * this.#patience
    for (let index = this.#head; index < this.#packets.length; index++) {
      if (this.#first + index - this.#head > this.#largestAcknowledged) break
      const packet = this.#packets[index]
      if (packet?.state !== 'sent') continue
      if (packet.sentAt + lossDelay <= now || this.#largestAcknowledged >= packet.number + this.#threshold) {
        packet.state = 'lost'
        this.bytesInFlight -= packet.bytes
        this.lostPackets++
        lost.push(packet)
      } else this.lossAt ??= packet.sentAt + lossDelay
    }
    this.#prune(now - KEEP_LOST_ROUND_TRIPS * rtt.smoothed)
    return lost
  }

  /** Whether packets over at least `duration` were lost and none between them arrived. */
  brokeDown(lost: readonly SentPacket[], duration: number): boolean {
    let began = lost[0]
    for (const [index, packet] of lost.entries()) {
      const before = lost[index - 1]
      if (before !== undefined && this.#anyArrived(before.number + 1, packet.number)) began = packet
      if (packet.sentAt - began!.sentAt > duration) return true
    }
    return false
  }

  /** The oldest packets under way that carry something of the stream. */
  oldest(count: number): SentPacket[] {
    const found: SentPacket[] = []
    for (let index = this.#head; index < this.#packets.length && found.length < count; index++) {
      const packet = this.#packets[index]
      if (packet?.state === 'sent' && packet.end > packet.start) found.push(packet)
    }
    return found
  }

  /** The path reorders: waits longer from now on (RFC 9002 §6.1.1). */
  #wasLate(): void {
    this.#threshold = Math.min(MAX_PACKET_THRESHOLD, this.#threshold * 2)
    this.#patience = Math.min(MAX_PATIENCE, this.#patience * 1.25)
  }

  #anyArrived(from: number, to: number): boolean {
    for (let number = Math.max(from, this.#first); number < to; number++) {
      if (this.#packets[this.#head + number - this.#first]?.state === 'acknowledged') return true
    }
    return false
  }

  #prune(lostBefore: number): void {
    while (this.#head < this.#packets.length) {
      const packet = this.#packets[this.#head]
      if (packet?.state === 'sent' || (packet?.state === 'lost' && packet.sentAt > lostBefore)) break
      this.#packets[this.#head++] = undefined
      this.#first++
    }
    if (this.#head > 1_024 && this.#head > this.#packets.length / 2) {
      this.#packets = this.#packets.slice(this.#head)
      this.#head = 0
    } else if (this.#head === this.#packets.length) {
      this.#packets.length = 0
      this.#head = 0
    }
  }
}
