/** Milliseconds by which an acknowledgement may be put off, to go along with others. */
export const MAX_ACK_DELAY_MS = 25
const INITIAL_RTT_MS = 333
const GRANULARITY_MS = 1

/** Estimates the round-trip time of a path (RFC 6298 §2 as adapted by RFC 9002 §5). Times are milliseconds. */
export class RttEstimator {
  /** Smoothed. */
  smoothed = INITIAL_RTT_MS
  variation = INITIAL_RTT_MS / 2
  latest = 0
  minimum = Number.POSITIVE_INFINITY

  /** @param ackDelay how long the other side says it put the acknowledgement off */
  sample(rtt: number, ackDelay: number): void {
    this.latest = rtt
    if (this.minimum === Number.POSITIVE_INFINITY) {
      this.minimum = rtt
      this.smoothed = rtt
      this.variation = rtt / 2
      return
    }
    this.minimum = Math.min(this.minimum, rtt)
    const delay = Math.min(ackDelay, MAX_ACK_DELAY_MS)
    const adjusted = rtt >= this.minimum + delay ? rtt - delay : rtt
    this.variation = 0.75 * this.variation + 0.25 * Math.abs(this.smoothed - adjusted)
    this.smoothed = 0.875 * this.smoothed + 0.125 * adjusted
  }

  /** How long to wait for an acknowledgement before asking for one (RFC 9002 §6.2.1). */
  get probeTimeout(): number {
    return this.smoothed + Math.max(4 * this.variation, GRANULARITY_MS) + MAX_ACK_DELAY_MS
  }

  /** How much later than a later packet's acknowledgement a packet may be acknowledged and not count as lost (RFC 9002 §6.1.2). */
  get lossDelay(): number {
    return Math.max((9 / 8) * Math.max(this.smoothed, this.latest), GRANULARITY_MS)
  }

  /** Losses over so long a time mean that the path broke down (RFC 9002 §7.6.1). */
  get persistentCongestion(): number {
    return 3 * this.probeTimeout
  }
}
