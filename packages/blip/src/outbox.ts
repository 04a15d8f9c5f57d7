import { COMPRESSED, FRAME_SLACK, LARGE_FRAME, MORE_COMING, REQUEST, SMALL_FRAME } from './frame.ts'
import { UnreadableBody } from './frame-encoder.ts'
import type { FrameEncoder } from './frame-encoder.ts'
import type { OutgoingEntry } from './outgoing-entry.ts'
import { varintLength } from './varint.ts'

/** A compressed frame that saves less than this part shows that the message does not compress. */
const WORTHWHILE_RATIO = 0.95

/**
 * Messages waiting to be sent, and which one sends the next frame (blip.md §8, §9, §10).
 * Requests get their number with their first frame, so their order on the wire is that of their numbers whatever the queue does.
 */
export class Outbox {
  /** Highest request number given out. */
  lastRequestNumber = 0
  /** Messages that wait for an acknowledgement. */
  iceboxedCount = 0
  private readonly encoder: FrameEncoder
  private readonly wake: () => void
  private head: OutgoingEntry | undefined
  private tail: OutgoingEntry | undefined
  /** Messages with frames sent and more to come, for acknowledgements; requests by number, replies by −number. */
  private readonly underWay = new Map<number, OutgoingEntry>()
  /** Streamed messages whose first piece has not come. */
  private readonly waiting = new Set<OutgoingEntry>()

  /** @param wake called, not from inside a call of this object, when there may be something to send again. */
  constructor(encoder: FrameEncoder, wake: () => void) {
    this.encoder = encoder
    this.wake = wake
  }

  /** Queues a message. A streamed one takes its place when its first piece is there. */
  add(entry: OutgoingEntry): void {
    if (entry.source === undefined) {
      this.insert(entry)
      return
    }
    entry.state = 'awaitingBody'
    this.waiting.add(entry)
    this.pull(entry)
  }

  /** The next frame to put on the wire, or undefined when nothing can be sent now. */
  nextFrame(): Buffer | undefined {
    for (;;) {
      const entry = this.head
      if (entry === undefined) return undefined
      this.head = entry.next
      entry.next = undefined
      if (this.head === undefined) this.tail = undefined
      const limit = entry.urgent || this.head === undefined || !this.head.urgent ? LARGE_FRAME : SMALL_FRAME
      const room = limit - FRAME_SLACK - (entry.head === undefined ? 0 : 3 + entry.head.length * 3)
      if (!entry.ready(room)) {
        entry.state = 'awaitingBody'
        this.waiting.add(entry)
        this.pull(entry)
        continue
      }
      const frame = this.encode(entry, room)
      if (frame !== undefined) return frame
    }
  }

  /** Takes an acknowledgement; one for an unknown message or for more than was sent is ignored. */
  acknowledge(number: number, isResponse: boolean, bytes: number): void {
    const entry = this.underWay.get(isResponse ? -number : number)
    if (entry === undefined || bytes > entry.sentBytes || bytes <= entry.ackedBytes) return
    entry.ackedBytes = bytes
    if (entry.state !== 'iceboxed' || entry.windowFull) return
    this.iceboxedCount--
    this.insert(entry)
    this.pull(entry)
  }

  /** Drops everything; sources of streamed bodies are told. */
  clear(): void {
    for (let entry = this.head; entry !== undefined; entry = entry.next) entry.abandon()
    for (const entry of this.underWay.values()) entry.abandon()
    for (const entry of this.waiting) entry.abandon()
    this.head = undefined
    this.tail = undefined
    this.underWay.clear()
    this.waiting.clear()
    this.iceboxedCount = 0
  }

  /** The next frame of a message; undefined when its body cannot be read. */
  private encode(entry: OutgoingEntry, room: number): Buffer | undefined {
    const { head, piece, offset } = entry
    const end = Math.min(piece.length, offset + room)
    const first = !entry.started
    if (first) {
      entry.started = true
      if (entry.type === REQUEST) entry.number = ++this.lastRequestNumber
      entry.listener.started(entry)
    }
    entry.head = undefined
    entry.offset = end
    entry.advance()
    const more = entry.hasMore
    const compress = entry.compress && (head !== undefined || end > offset)
    const flags = entry.flags | (more ? MORE_COMING : 0) | (compress ? COMPRESSED : 0)
    let frame: Buffer
    try {
      frame = this.encoder.encode(entry.number, flags, head, piece, offset, end)
    } catch (error) {
      if (!(error instanceof UnreadableBody) || (first && entry.type === REQUEST)) throw error
      this.underWay.delete(keyOf(entry))
      entry.closeReader()
      entry.state = 'done'
      entry.started = !first
      entry.listener.bodyFailed(entry, error.cause)
      return undefined
    }
    if (!more) {
      if (!first) this.underWay.delete(keyOf(entry))
      entry.state = 'done'
      entry.closeReader()
      entry.listener.finished(entry)
      return frame
    }
    if (compress && frame.length > (end - offset + (head?.length ?? 0)) * WORTHWHILE_RATIO) entry.compress = false
    if (first) this.underWay.set(keyOf(entry), entry)
    entry.sentBytes += frame.length - varintLength(entry.number) - 1
    if (entry.windowFull) {
      entry.state = 'iceboxed'
      this.iceboxedCount++
      entry.listener.iceboxed(entry)
    } else {
      this.insert(entry)
      this.pull(entry)
    }
    return frame
  }

  /** Puts a message into the queue by the rules of blip.md §10. */
  private insert(entry: OutgoingEntry): void {
    entry.state = 'queued'
    if (this.head === undefined || this.tail === undefined) {
      this.head = entry
      this.tail = entry
      return
    }
    if (!entry.urgent || this.head === this.tail) {
      this.tail.next = entry
      this.tail = entry
      return
    }
    // Behind the last urgent message plus one, never before an unstarted request when it is one itself, at best second.
    let after = this.head
    for (let other: OutgoingEntry | undefined = this.head; other !== undefined; other = other.next) {
      if (other.urgent) after = other.next ?? other
      else if (entry.unstartedRequest && other.unstartedRequest) after = other
    }
    entry.next = after.next
    after.next = entry
    if (this.tail === after) this.tail = entry
  }

  private pull(entry: OutgoingEntry): void {
    entry.pull(
      () => {
        if (entry.state === 'awaitingBody') {
          // Two pieces are wanted before a frame: only then it is known whether it is the last.
          this.waiting.delete(entry)
          this.insert(entry)
          this.wake()
        }
        this.pull(entry)
      },
      (cause) => {
        this.waiting.delete(entry)
        this.unlink(entry)
        if (entry.state === 'iceboxed') this.iceboxedCount--
        this.underWay.delete(keyOf(entry))
        entry.state = 'done'
        entry.listener.bodyFailed(entry, cause)
      }
    )
  }

  private unlink(entry: OutgoingEntry): void {
    let previous: OutgoingEntry | undefined
    for (let other = this.head; other !== undefined; previous = other, other = other.next) {
      if (other !== entry) continue
      if (previous === undefined) this.head = other.next
      else previous.next = other.next
      if (this.tail === other) this.tail = previous
      other.next = undefined
      return
    }
  }
}

function keyOf(entry: OutgoingEntry): number {
  return entry.type === REQUEST ? entry.number : -entry.number
}
