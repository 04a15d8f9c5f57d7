import { AckTracker } from './ack-tracker.ts'
import { CongestionController } from './congestion-controller.ts'
import type { AssociationOptions, AssociationState } from './association-options.ts'
import { connectionIds } from './connection-ids.ts'
import { datagramErrors } from './errors.ts'
import { Pacer } from './pacer.ts'
import { ACK, type Acknowledgement, CONNECTION_ID_BYTES, DATA, DATA_HEADER_BYTES, DONE, FIN, HEADER_BYTES } from './packet.ts'
import { MAX_REASON_BYTES, OPEN, PING, type Packet, RESET, ackBytes, decodePacket, writeAck, writeHeader } from './packet.ts'
import { PathSize } from './path-size.ts'
import { ReceiveBuffer } from './receive-buffer.ts'
import { RttEstimator } from './rtt-estimator.ts'
import { SendBuffer, type StreamPart } from './send-buffer.ts'
import { SentPackets } from './sent-packets.ts'

const OPEN_EVERY_MS = 50
const OPEN_EVERY_AT_MOST_MS = 500
const PROBES = 2
/** Time-outs do not grow further, so that a stream goes on soon after a long gap. */
const MAX_PROBE_TIMEOUT_MS = 2_000
const RESETS = 6
const RESET_EVERY_MS = 100
/** When nothing ever came, the other side hardly hears either. */
const RESETS_UNHEARD = 2
const REPEAT_EVERY_MS = 250
/** Longer than two time-outs of the other side. */
const LINGER_MS = 4_500
const LINGER_AFTER_RESET_MS = 1_000

/**
 * One side of the protocol as a pure state machine: datagrams come in by {@link receive} and go out by {@link next}; {@link deadline} says
 * when `next` is to be asked although nothing came. It opens no socket, sets no timer and knows no time but the one it is told, in
 * milliseconds that never go back. Packet numbers, acknowledgements, losses and congestion are those of QUIC (RFC 9000 §13, RFC 9002).
 */
export class Association {
  state: AssociationState = 'opening'
  /** Why it ended, unless in order. */
  error: Error | undefined
  readonly rtt = new RttEstimator()
  readonly sentPackets = new SentPackets()
  readonly congestion: CongestionController
  readonly #options: AssociationOptions
  readonly #ids: { readonly ours: Buffer; readonly theirs: Buffer }
  readonly #send: SendBuffer
  readonly #receive: ReceiveBuffer
  readonly #acks = new AckTracker()
  readonly #pacer: Pacer
  readonly #size: PathSize
  #theirWindowEnd = 0
  /** The end of our window as last told in a packet that is repeated when it is lost. */
  #toldWindowEnd = 0
  #repeatWindow = false
  #confirmed = false
  #heardAt: number
  #timeouts = 0
  #probes = 0
  #ping = false
  #paced = false
  /** When the present state's own timer is due: the next OPEN, the next RESET, the end of lingering. */
  #stateAt: number
  #stateUntil: number
  #stateTries = 0
  #theyAreDone = false
  /** One of the two sides has cut the stream. */
  #cut = false
  #reason: Buffer = Buffer.alloc(0)
  #firstReset = Number.POSITIVE_INFINITY

  constructor(options: AssociationOptions, now: number) {
    this.#options = options
    this.#ids = connectionIds(options.secret, options.role)
    this.#send = new SendBuffer(options.windowBytes)
    this.#receive = new ReceiveBuffer(options.windowBytes)
    this.congestion = new CongestionController(options.maxDatagram, options.windowBytes)
    this.#pacer = new Pacer(options.maxDatagram)
    this.#size = new PathSize(options.maxDatagram)
    this.#heardAt = now
    this.#stateAt = now
    this.#stateUntil = now + options.openTimeoutMs
  }

  /** Bytes written that the other side does not have yet, for all one knows. */
  get unacknowledgedBytes(): number {
    return this.#send.bufferedBytes
  }

  get resentBytes(): number {
    return this.#send.resentBytes
  }

  /** The other side has everything, the end included. */
  get sendFinished(): boolean {
    return this.#send.finished
  }

  /** There is something to read, or the end was reached. */
  get readable(): boolean {
    return this.#receive.readableBytes > 0 || this.#receive.drained
  }

  /** Everything of the other side was read, up to its end. */
  get receiveFinished(): boolean {
    return this.#receive.drained
  }

  /** Takes as much as there is room for. @returns how many bytes that was */
  write(bytes: Uint8Array): number {
    return this.#send.ended ? 0 : this.#send.write(bytes)
  }

  /** Nothing more will be written. */
  end(): void {
    this.#send.end()
  }

  read(maxBytes: number): Buffer | undefined {
    return this.#receive.read(maxBytes)
  }

  /** Cuts the stream; `reason` reaches the other side if anything does. */
  reset(reason: string, now: number): void {
    if (this.state !== 'opening' && this.state !== 'open') return
    this.#reason = Buffer.from(Buffer.from(reason).subarray(0, MAX_REASON_BYTES))
    this.#firstReset = this.sentPackets.nextNumber
    this.state = 'resetting'
    this.#cut = true
    this.#stateAt = now
    this.#stateTries = 0
  }

  /** The path is gone. */
  abandon(error: Error): void {
    if (this.state === 'closed') return
    if (this.state !== 'lingering' && this.state !== 'resetting') this.error ??= error
    this.state = 'closed'
  }

  /** Takes a datagram; what does not belong here is ignored. @returns whether it belongs here and is no copy of one that came before */
  receive(datagram: Buffer, now: number): boolean {
    if (this.#over || datagram.length < HEADER_BYTES) return false
    if (datagram.compare(this.#ids.theirs, 0, CONNECTION_ID_BYTES, 0, CONNECTION_ID_BYTES) !== 0) return false
    const packet = decodePacket(datagram)
    if (packet === undefined) return false
    const { flags, number, ack } = packet
    if (ack !== undefined && !this.#acknowledge(ack, now)) return false
    if (this.#over) return true
    this.#heardAt = now
    if (this.#acks.known(number)) return false
    if ((flags & DATA) !== 0 && this.state !== 'lingering' && this.state !== 'resetting') {
      if (!this.#receive.receive(packet.offset, packet.data, (flags & FIN) !== 0)) return false
    }
    if (this.state === 'opening' && !this.#acks.any) this.#stateAt = now
    const atOnce = this.state !== 'open' || (flags & (OPEN | FIN | PING | RESET)) !== 0
    this.#acks.add(number, now, (flags & (OPEN | DATA | PING | RESET)) !== 0, atOnce)
    this.#react(packet, now)
    return true
  }

  /** The next datagram to be sent now; to be called until it gives undefined. The buffer belongs to the caller. */
  next(now: number): Buffer | undefined {
    this.#advance(now)
    if (this.state === 'open') return this.#nextOpen(now)
    if (this.state === 'opening' && now >= this.#stateAt) {
      this.#stateAt = now + Math.min(OPEN_EVERY_MS * 2 ** this.#stateTries++, OPEN_EVERY_AT_MOST_MS)
      return this.#control(OPEN, this.#acks.any, now)
    }
    if (this.state === 'resetting' && now >= this.#stateAt) {
      this.#stateTries++
      this.#stateAt = now + Math.min(Math.max(this.rtt.probeTimeout, RESET_EVERY_MS), OPEN_EVERY_AT_MOST_MS)
      return this.#control(RESET, false, now)
    }
    if (this.state === 'lingering') return this.#nextLingering(now)
    return this.state === 'opening' && this.#acks.due(now) ? this.#control(0, true, now) : undefined
  }

  /** When `next` is to be asked at the latest. */
  get deadline(): number | undefined {
    if (this.state === 'closed') return undefined
    if (this.state === 'resetting') return this.#stateAt
    if (this.state === 'opening') return Math.min(this.#stateAt, this.#stateUntil)
    if (this.state === 'lingering') return this.#cut ? this.#stateUntil : Math.min(this.#stateAt, this.#stateUntil)
    return Math.min(
      this.#heardAt + this.#options.idleTimeoutMs,
      this.sentPackets.lastSentAt + this.#options.keepAliveMs,
      this.sentPackets.lossAt ?? this.#probeAt,
      this.#acks.dueAt ?? Number.POSITIVE_INFINITY,
      this.#paced ? this.#pacer.readyAt : Number.POSITIVE_INFINITY
    )
  }

  get #over(): boolean {
    return this.state === 'closed'
  }

  get #probeAt(): number {
    if (this.sentPackets.bytesInFlight === 0) return Number.POSITIVE_INFINITY
    const timeout = this.rtt.probeTimeout
    return this.sentPackets.lastSentAt + Math.min(timeout * 2 ** this.#timeouts, Math.max(timeout, MAX_PROBE_TIMEOUT_MS))
  }

  /** @returns false when it cannot be true */
  #acknowledge(ack: Acknowledgement, now: number): boolean {
    const before = this.sentPackets.bytesInFlight
    const acknowledged = this.sentPackets.acknowledge(ack.ranges)
    if (acknowledged === undefined) return false
    this.#theirWindowEnd = Math.max(this.#theirWindowEnd, ack.window)
    const { packets, largest } = acknowledged
    if (packets.length === 0) return true
    if (largest !== undefined) this.rtt.sample(now - largest.sentAt, ack.ageMs)
    const { window, slowStart } = this.congestion
    const limited = slowStart ? 2 * before >= window : before + 3 * this.#options.maxDatagram >= window
    this.#timeouts = 0
    this.#confirmed = true
    for (const packet of packets) {
      if (packet.end > packet.start) this.#send.acknowledged(packet.start, packet.end)
      if (packet.late) this.congestion.wasLate(packet.sentAt)
      this.congestion.acknowledged(packet.bytes, packet.sentAt, limited)
      this.#size.acknowledged(packet.bytes, now)
      if (packet.number >= this.#firstReset) this.state = 'closed'
    }
    this.#detectLost(now)
    return true
  }

  #detectLost(now: number): void {
    const lost = this.sentPackets.detectLost(now, this.rtt)
    if (lost.length === 0) return
    this.#repeatWindow = true
    for (const packet of lost) {
      if (packet.end > packet.start) this.#send.lost(packet.start, packet.end)
      else this.#ping = true
      if (this.#size.lost(packet.bytes)) this.congestion.lost(packet.sentAt, now)
    }
    if (this.sentPackets.brokeDown(lost, this.rtt.persistentCongestion)) this.congestion.brokeDown()
  }

  #react({ flags, data }: Packet, now: number): void {
    if ((flags & DONE) !== 0) {
      this.#theyAreDone = true
      this.#send.acknowledgedAll()
    }
    if ((flags & RESET) !== 0) {
      this.#cut = true
      if (this.state === 'opening' || this.state === 'open') {
        const reason = data.toString('utf8').replace(/[^\x20-\x7e]/g, '?')
        this.error = datagramErrors.create('ERR_DATAGRAM_RESET', `The other side cut the stream: ${reason}`, { details: { reason } })
      }
      this.#linger(now)
    } else if (this.state === 'lingering') {
      if (this.#theyAreDone && this.#stateTries > 0) this.state = 'closed'
      else this.#linger(now)
    } else if (this.state === 'opening' && this.#confirmed) {
      this.state = 'open'
      this.#toldWindowEnd = this.#receive.windowEnd
    }
  }

  /** What time alone brings about. */
  #advance(now: number): void {
    if (this.state === 'open') {
      this.#advanceOpen(now)
      return
    }
    if (this.state === 'opening' && now >= this.#stateUntil) {
      const heard = this.#acks.any ? 'its packets arrive here, but ours do not arrive there' : 'nothing came'
      this.error = datagramErrors.create('ERR_DATAGRAM_NO_ANSWER', `No answer within ${this.#options.openTimeoutMs} ms: ${heard}`)
      this.reset('no answer', now)
    } else if (this.state === 'lingering' && now >= this.#stateUntil) this.state = 'closed'
    else if (this.state === 'resetting' && now >= this.#stateAt && this.#stateTries >= (this.#acks.any ? RESETS : RESETS_UNHEARD))
      this.state = 'closed'
  }

  #advanceOpen(now: number): void {
    if (now >= this.#heardAt + this.#options.idleTimeoutMs) {
      this.error = datagramErrors.create('ERR_DATAGRAM_SILENT', `Nothing was heard for ${this.#options.idleTimeoutMs} ms`)
      this.state = 'closed'
      return
    }
    const { lossAt } = this.sentPackets
    if (lossAt !== undefined) {
      if (now >= lossAt) this.#detectLost(now)
    } else if (now >= this.#probeAt) {
      this.#timeouts++
      this.#probes = PROBES
      for (const packet of this.sentPackets.oldest(PROBES)) this.#send.lost(packet.start, packet.end)
    }
    if (now >= this.sentPackets.lastSentAt + this.#options.keepAliveMs) this.#ping = true
    if (this.#send.finished && this.#receive.complete) this.#linger(now)
  }

  #linger(now: number): void {
    if (this.state !== 'lingering') {
      this.#stateAt = now
      this.#stateTries = 0
    }
    this.state = 'lingering'
    this.#stateUntil = now + (this.#cut ? LINGER_AFTER_RESET_MS : LINGER_MS)
  }

  #nextOpen(now: number): Buffer | undefined {
    this.#paced = false
    if (this.#send.pending(this.#theirWindowEnd)) {
      const maxBytes = this.#size.next(now, this.#timeouts)
      const fits = this.sentPackets.bytesInFlight + maxBytes <= this.congestion.window
      if (fits && this.#probes === 0) {
        this.#pacer.update(now, this.congestion.window, this.rtt.smoothed)
        this.#paced = !this.#pacer.ready
      }
      if (this.#probes > 0 || (fits && !this.#paced)) {
        const datagram = this.#data(maxBytes, now)
        if (datagram !== undefined) return datagram
      }
    }
    const windowMoved = this.#receive.windowEnd - this.#toldWindowEnd >= this.#options.windowBytes / 2
    if (this.#probes > 0 || this.#ping || windowMoved) {
      this.#probes = 0
      return this.#control(PING, true, now)
    }
    return this.#acks.due(now) ? this.#control(0, true, now) : undefined
  }

  #nextLingering(now: number): Buffer | undefined {
    const done = !this.#cut
    if (!this.#acks.due(now) && !(done && now >= this.#stateAt)) return undefined
    this.#stateAt = now + REPEAT_EVERY_MS
    this.#stateTries++
    if (done && this.#theyAreDone) this.state = 'closed'
    return this.#control(done ? DONE : 0, true, now)
  }

  #data(maxBytes: number, now: number): Buffer | undefined {
    const withAck = this.#acks.pending || this.#repeatWindow
    const overhead = HEADER_BYTES + DATA_HEADER_BYTES + (withAck ? ackBytes(this.#acks.ranges) : 0)
    const part = this.#send.next(maxBytes - overhead, this.#theirWindowEnd)
    if (part === undefined) return undefined
    const bytes = part.end - part.start - (part.fin ? 1 : 0)
    const datagram = Buffer.allocUnsafe(overhead + bytes)
    let at = this.#begin(datagram, DATA | (part.fin ? FIN : 0), withAck, now)
    if (withAck) this.#tellWindow()
    at = datagram.writeUIntBE(part.start, at, 6)
    this.#send.copy(part.start, bytes, datagram, at)
    this.#send.taken(part)
    this.#pacer.sent(at + bytes)
    this.#size.sent(at + bytes, now)
    if (this.#probes > 0) this.#probes--
    return this.#sent(datagram, at + bytes, part, now)
  }

  /** A packet without data. */
  #control(flags: number, withAck: boolean, now: number): Buffer {
    const ack = withAck && this.#acks.any
    const datagram = Buffer.allocUnsafe(HEADER_BYTES + (ack ? ackBytes(this.#acks.ranges) : 0) + this.#reason.length)
    let at = this.#begin(datagram, flags, ack, now)
    if (flags === RESET) at += this.#reason.copy(datagram, at)
    if (flags === 0 || flags === DONE) {
      this.sentPackets.sent(undefined)
      return datagram.subarray(0, at)
    }
    if (flags === PING) {
      this.#ping = false
      this.#tellWindow()
    }
    return this.#sent(datagram, at, undefined, now)
  }

  #begin(datagram: Buffer, flags: number, withAck: boolean, now: number): number {
    const at = writeHeader(datagram, this.#ids.ours, withAck ? flags | ACK : flags, this.sentPackets.nextNumber)
    return withAck ? writeAck(datagram, at, this.#acks.take(now, this.#receive.windowEnd)) : at
  }

  #tellWindow(): void {
    this.#toldWindowEnd = this.#receive.windowEnd
    this.#repeatWindow = false
  }

  #sent(datagram: Buffer, bytes: number, part: StreamPart | undefined, now: number): Buffer {
    const number = this.sentPackets.nextNumber
    this.sentPackets.sent({ number, sentAt: now, bytes, start: part?.start ?? 0, end: part?.end ?? 0, state: 'sent', late: false })
    return bytes === datagram.length ? datagram : datagram.subarray(0, bytes)
  }
}
