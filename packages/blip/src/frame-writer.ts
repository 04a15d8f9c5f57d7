import type { MessageSocket } from '@kithmesh/core'
import { ACK_REQUEST, ACK_RESPONSE } from './frame.ts'
import type { FrameEncoder } from './frame-encoder.ts'
import { Outbox } from './outbox.ts'
import type { OutgoingEntry } from './outgoing-entry.ts'

/**
 * Brings frames to the socket: acknowledgements first, then what the outbox schedules, as long as the socket takes more.
 * Nothing is encoded ahead of time, because numbers, checksum and compression depend on the order on the wire (blip.md §10).
 */
export class FrameWriter {
  readonly outbox: Outbox
  private readonly socket: MessageSocket
  private readonly encoder: FrameEncoder
  private readonly failed: (error: unknown) => void
  /** Totals to acknowledge; replies by −number. A newer total replaces an older one that waits for the socket. */
  private readonly acknowledgements = new Map<number, number>()
  private flushing = false
  private scheduled = false
  private scheduledLate = false
  private blocked = false
  private stopped = false

  /** @param failed told what goes wrong while encoding. */
  constructor(socket: MessageSocket, encoder: FrameEncoder, failed: (error: unknown) => void) {
    this.socket = socket
    this.encoder = encoder
    this.failed = failed
    this.outbox = new Outbox(encoder, () => {
      this.schedule()
    })
  }

  add(entry: OutgoingEntry): void {
    this.outbox.add(entry)
    this.schedule()
  }

  /** @param canWait until everything that can be read now was read: each write wakes the other side, and costs both more than what it says. */
  acknowledge(number: number, type: typeof ACK_REQUEST | typeof ACK_RESPONSE, bytes: number, canWait: boolean): void {
    this.acknowledgements.set(type === ACK_REQUEST ? number : -number, bytes)
    if (canWait) this.scheduleLate()
    else this.schedule()
  }

  /** The other side acknowledged: a paused message may go on. */
  acknowledged(number: number, type: number, bytes: number): void {
    this.outbox.acknowledge(number, type === ACK_RESPONSE, bytes)
    this.schedule()
  }

  /** The socket takes more. */
  drained(): void {
    this.blocked = false
    this.flush()
  }

  /** Writes until there is nothing to write or the socket is full. */
  readonly flush = (): void => {
    this.scheduled = false
    if (this.flushing) return
    this.flushing = true
    try {
      while (!this.blocked && !this.stopped) {
        const frame = this.nextAcknowledgement() ?? this.outbox.nextFrame()
        if (frame === undefined) break
        if (!this.socket.send(frame)) this.blocked = true
      }
    } catch (error) {
      this.failed(error)
    }
    this.flushing = false
  }

  /** Writes nothing any more and drops what is queued. */
  stop(): void {
    this.stopped = true
    this.acknowledgements.clear()
    this.outbox.clear()
  }

  /** Once per turn of the event loop, so that messages queued together are scheduled together. */
  private schedule(): void {
    if (this.scheduled || this.stopped) return
    this.scheduled = true
    queueMicrotask(this.flush)
  }

  private scheduleLate(): void {
    if (this.scheduledLate || this.scheduled || this.stopped) return
    this.scheduledLate = true
    setImmediate(() => {
      this.scheduledLate = false
      if (!this.stopped) this.flush()
    })
  }

  private nextAcknowledgement(): Buffer | undefined {
    if (this.acknowledgements.size === 0) return undefined
    for (const [key, bytes] of this.acknowledgements) {
      this.acknowledgements.delete(key)
      return key > 0 ? this.encoder.encodeAck(key, ACK_REQUEST, bytes) : this.encoder.encodeAck(-key, ACK_RESPONSE, bytes)
    }
    return undefined
  }
}
