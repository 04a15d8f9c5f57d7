import type { BodyReader } from './contracts.ts'
import { REQUEST, SEND_WINDOW, SMALL_FRAME, URGENT } from './frame.ts'
import type { PendingReply } from './pending-reply.ts'
import { varintLength, writeVarint } from './varint.ts'

const noBytes = new Uint8Array(0)

/** Who is told how the sending of a message goes. */
export interface OutgoingListener {
  /** The message has its number and its first frame is about to be encoded. */
  started(entry: OutgoingEntry): void
  /** The message waits for an acknowledgement. */
  iceboxed(entry: OutgoingEntry): void
  /** The last frame was encoded. */
  finished(entry: OutgoingEntry): void
  /** It is dropped, sent or not, because the connection ends. */
  abandoned(entry: OutgoingEntry): void
  /** A body that is streamed or read failed; `entry.number` is 0 on a request that had not started. */
  bodyFailed(entry: OutgoingEntry, cause: unknown): void
}

/** A message being sent: what is left of it and how much the receiver has acknowledged. One per message, owned by its outbox. */
export class OutgoingEntry {
  /** 0 on a request until its first frame. */
  number: number
  readonly type: number
  readonly flags: number
  readonly listener: OutgoingListener
  compress: boolean
  /** Who waits for the reply to a request that has not started. */
  reply: PendingReply | undefined
  /** Next in the outbox's queue. */
  next: OutgoingEntry | undefined
  started = false
  /** Whether it stands in the queue, waits for its body, or for an acknowledgement. */
  state: 'new' | 'queued' | 'awaitingBody' | 'iceboxed' | 'done' = 'new'
  /** Wire bytes of content and checksums sent, and acknowledged. */
  sentBytes = 0
  ackedBytes = 0
  /** The properties block until it is sent. */
  head: string | undefined
  /** What is being sent now, from `offset`, and the piece behind it. */
  piece: Uint8Array | BodyReader
  offset = 0
  ahead: Uint8Array | BodyReader | undefined
  /** Set while more pieces may come. */
  source: AsyncIterator<Uint8Array> | undefined
  private reader: BodyReader | undefined
  private pulling = false

  constructor(
    type: number,
    number: number,
    flags: number,
    head: string,
    body: Uint8Array | BodyReader | AsyncIterable<Uint8Array> | undefined,
    compress: boolean,
    listener: OutgoingListener
  ) {
    this.type = type
    this.number = number
    this.flags = flags | type
    this.compress = compress
    this.listener = listener
    this.head = head
    this.piece = noBytes
    if (body !== undefined) {
      if (Symbol.asyncIterator in body) this.source = body[Symbol.asyncIterator]()
      else {
        this.piece = body
        if (!(body instanceof Uint8Array)) this.reader = body
      }
    }
    // A long properties block travels as body bytes: it may straddle frames.
    if (head.length * 3 > SMALL_FRAME / 2) this.spillHead(head)
  }

  get urgent(): boolean {
    return (this.flags & URGENT) !== 0
  }

  /** Whether its number is still to be assigned, so that no later request may overtake it. */
  get unstartedRequest(): boolean {
    return !this.started && this.type === REQUEST
  }

  /** Whether as much is under way as the receiver's window allows (blip.md §9). */
  get windowFull(): boolean {
    return this.sentBytes - this.ackedBytes >= SEND_WINDOW
  }

  /**
   * Whether a frame of up to `room` body bytes can be made, knowing whether it is the last one.
   */
  ready(room: number): boolean {
    return this.source === undefined || this.ahead !== undefined || this.piece.length - this.offset > room
  }

  /** Moves on to the next piece when the current one is used up. */
  advance(): void {
    if (this.offset < this.piece.length) return
    this.piece = this.ahead ?? noBytes
    this.offset = 0
    this.ahead = undefined
  }

  get hasMore(): boolean {
    return this.offset < this.piece.length || this.ahead !== undefined || this.source !== undefined
  }

  /**
   * Fetches the next piece when there is room for one; `available` is called when one came or the body ended.
   * At most two pieces are held.
   */
  pull(available: () => void, failed: (cause: unknown) => void): void {
    const source = this.source
    if (source === undefined || this.pulling || this.ahead !== undefined || this.state === 'done') return
    this.pulling = true
    const settle = (result: IteratorResult<Uint8Array>): void => {
      this.pulling = false
      if (this.state === 'done') return
      if (result.done === true) this.source = undefined
      else if (!(result.value instanceof Uint8Array)) {
        this.source = undefined
        failed(new TypeError('A piece of a body must be a Uint8Array'))
        return
      } else if (result.value.length > 0) {
        if (this.offset < this.piece.length) this.ahead = result.value
        else {
          this.piece = result.value
          this.offset = 0
        }
      }
      available()
    }
    const reject = (cause: unknown): void => {
      this.pulling = false
      this.source = undefined
      if (this.state !== 'done') failed(cause)
    }
    try {
      source.next().then(settle).catch(reject)
    } catch (cause) {
      queueMicrotask(() => {
        reject(cause)
      })
    }
  }

  /** Its body is not needed any more. */
  closeReader(): void {
    const { reader } = this
    this.reader = undefined
    reader?.close()
  }

  /** Ends it early: the body's source is told, nothing more is pulled. */
  abandon(): void {
    if (this.state === 'done') return
    this.state = 'done'
    this.listener.abandoned(this)
    const source = this.source
    this.source = undefined
    this.ahead = undefined
    this.piece = noBytes
    this.closeReader()
    // A failing clean-up of the source has nobody left to tell.
    try {
      source?.return?.().then(undefined, () => {})
    } catch {}
  }

  private spillHead(head: string): void {
    const length = Buffer.byteLength(head)
    const prefix = Buffer.allocUnsafe(varintLength(length) + length)
    prefix.write(head, writeVarint(prefix, 0, length), 'utf8')
    this.head = undefined
    if (this.piece.length > 0) this.ahead = this.piece
    this.piece = prefix
  }
}
