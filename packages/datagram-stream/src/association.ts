import { AckTracker } from './ack-tracker.ts'
import type { AssociationOptions, AssociationState } from './association-options.ts'
import { connectionIds } from './connection-ids.ts'
import { datagramErrors } from './errors.ts'
import { type Acknowledgement, CONNECTION_ID_BYTES, DATA, DONE, FIN, HEADER_BYTES, MAX_REASON_BYTES, OPEN, PING } from './packet.ts'
import { type Packet, RESET, decodePacket } from './packet.ts'
import { type PacketHead, dataOverhead, writeControl, writeData } from './packet-writer.ts'
import { ReceiveBuffer } from './receive-buffer.ts'
import { Recovery } from './recovery.ts'
import { SendBuffer } from './send-buffer.ts'
import { LINGER_AFTER_RESET_MS, LINGER_AT_MOST_MS, LINGER_MS, OPEN_EVERY_AT_MOST_MS, OPEN_EVERY_MS } from './timing.ts'
import { REPEAT_EVERY_MS, RESETS, RESETS_UNHEARD, RESET_EVERY_MS } from './timing.ts'

const NOTHING = Buffer.alloc(0)

/**
 * One side of the protocol as a pure state machine: datagrams come in by {@link receive} and go out by {@link next}; {@link deadline} says
 * when `next` is to be asked although nothing came. It opens no socket, sets no timer and knows no time but the one it is told, in
 * milliseconds that never go back. Packet numbers, acknowledgements, losses and congestion are those of QUIC (RFC 9000 §13, RFC 9002).
 */
export class Association {
  state: AssociationState = 'opening'
  /** Why it ended, unless in order. */
  error: Error | undefined
  readonly recovery: Recovery
  readonly #options: AssociationOptions
  readonly #ids: { readonly ours: Buffer; readonly theirs: Buffer }
  readonly #send: SendBuffer
  readonly #receive: ReceiveBuffer
  readonly #acks = new AckTracker()
  #theirWindowEnd = 0
  /** The end of our window as last told in a packet that is repeated when it is lost. */
  #toldWindowEnd = 0
  #repeatWindow = false
  #confirmed = false
  #heardAt: number
  #ping = false
  /** When the present state's own timer is due: the next OPEN, the next RESET, the end of lingering. */
  #stateAt: number
  #stateUntil: number
  #stateTries = 0
  #lingerUntil = 0
  #theyAreDone = false
  /** One of the two sides has cut the stream. */
  #cut = false
  #reason: Buffer = NOTHING
  #firstReset = Number.POSITIVE_INFINITY

  constructor(options: AssociationOptions, now: number) {
    this.#options = options
    this.#ids = connectionIds(options.secret, options.role)
    this.#send = new SendBuffer(options.windowBytes)
    this.#receive = new ReceiveBuffer(options.windowBytes)
    this.recovery = new Recovery({
      maxDatagram: options.maxDatagram,
      windowBytes: options.windowBytes,
      send: this.#send,
      lost: ({ start, end }) => {
        this.#repeatWindow = true
        if (start === end) this.#ping = true
      }
    })
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
    this.#firstReset = this.recovery.sentPackets.nextNumber
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
    if (this.state === 'closed' || datagram.length < HEADER_BYTES) return false
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
      this.#stateAt = now + Math.min(Math.max(this.recovery.rtt.probeTimeout, RESET_EVERY_MS), OPEN_EVERY_AT_MOST_MS)
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
      this.recovery.sentPackets.lastSentAt + this.#options.keepAliveMs,
      this.recovery.dueAt,
      this.#acks.dueAt ?? Number.POSITIVE_INFINITY
    )
  }

  get #over(): boolean {
    return this.state === 'closed'
  }

  /** @returns false when it cannot be true */
  #acknowledge(ack: Acknowledgement, now: number): boolean {
    const packets = this.recovery.acknowledge(ack, now)
    if (packets === undefined) return false
    this.#theirWindowEnd = Math.max(this.#theirWindowEnd, ack.window)
    if (packets.length > 0) this.#confirmed = true
    if (packets.some(({ number }) => number >= this.#firstReset)) this.state = 'closed'
    return true
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
    this.recovery.advance(now)
    if (now >= this.recovery.sentPackets.lastSentAt + this.#options.keepAliveMs) this.#ping = true
    if (this.#send.finished && this.#receive.complete) this.#linger(now)
  }

  #linger(now: number): void {
    if (this.state !== 'lingering') {
      this.#stateAt = now
      this.#stateTries = 0
      this.#lingerUntil = now + LINGER_AT_MOST_MS
    }
    this.state = 'lingering'
    this.#stateUntil = Math.min(this.#lingerUntil, now + (this.#cut ? LINGER_AFTER_RESET_MS : LINGER_MS))
  }

  #nextOpen(now: number): Buffer | undefined {
    const maxBytes = this.recovery.grant(this.#send.pending(this.#theirWindowEnd), now)
    const datagram = maxBytes > 0 ? this.#data(maxBytes, now) : undefined
    if (datagram !== undefined) return datagram
    const windowMoved = this.#receive.windowEnd - this.#toldWindowEnd >= this.#options.windowBytes / 2
    if (this.recovery.probing || this.#ping || windowMoved) {
      this.recovery.probed()
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
    const part = this.#send.next(maxBytes - dataOverhead(withAck ? this.#acks.ranges : undefined), this.#theirWindowEnd)
    if (part === undefined) return undefined
    const datagram = writeData(this.#head(withAck, now), part, this.#send)
    if (withAck) this.#tellWindow()
    this.#send.taken(part)
    this.recovery.sentData(datagram.length, part, now)
    return datagram
  }

  /** A packet without data. */
  #control(flags: number, withAck: boolean, now: number): Buffer {
    const datagram = writeControl(this.#head(withAck && this.#acks.any, now), flags, flags === RESET ? this.#reason : NOTHING)
    if (flags === PING) {
      this.#ping = false
      this.#tellWindow()
    }
    this.recovery.sentControl(datagram.length, flags !== 0 && flags !== DONE, now)
    return datagram
  }

  #head(withAck: boolean, now: number): PacketHead {
    const ack = withAck ? this.#acks.take(now, this.#receive.windowEnd) : undefined
    return { connectionId: this.#ids.ours, number: this.recovery.sentPackets.nextNumber, ack }
  }

  #tellWindow(): void {
    this.#toldWindowEnd = this.#receive.windowEnd
    this.#repeatWindow = false
  }
}
