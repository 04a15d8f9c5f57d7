import { ERROR } from './frame.ts'
import { PropertiesParser } from './properties.ts'

/** What a collected piece costs beyond its bytes; keeps a flood of tiny pieces within the limits. */
const PIECE_COST = 128

/** Takes the pieces of a body as they come; a promise delays the acknowledgement. */
export type BodySink = (piece: Buffer) => void | Promise<void>

/** A message of several frames that is being received. */
export class IncomingAssembly {
  readonly number: number
  /** Of its first frame. */
  readonly flags: number
  readonly type: number
  private readonly maxBodyBytes: number
  private sink: BodySink | undefined
  /** The sink keeps nothing of a piece that it took at once. */
  private readonly releasesPieces: boolean
  private parser: PropertiesParser | undefined = new PropertiesParser()
  properties: Record<string, string> | undefined
  private pieces: Buffer[] = []
  bodyBytes = 0
  /** What it holds in memory, for the connection's budget. */
  cost = 0
  /** How much of `cost` the budget has been charged. */
  accounted = 0
  /** The body is over its limit; the rest is thrown away. */
  tooLarge = false
  /** The sink failed; the rest is thrown away. */
  sinkError: unknown
  /** Wire bytes received, consumed, and acknowledged last. */
  receivedBytes = 0
  consumedBytes = 0
  ackedBytes = 0
  /** The last frame has come. */
  complete = false
  private backlog: { readonly piece: Buffer; readonly wireBytes: number }[] = []
  private sinkBusy = false

  constructor(number: number, type: number, flags: number, maxBodyBytes: number, sink: BodySink | undefined, releasesPieces: boolean) {
    this.number = number
    this.type = type
    this.flags = flags
    this.maxBodyBytes = maxBodyBytes
    this.sink = type === ERROR ? undefined : sink
    this.releasesPieces = releasesPieces
  }

  /** Bytes of content it may still take; what is beyond need not be kept. */
  get allowance(): number {
    return (this.parser === undefined ? 0 : 110_000) + this.maxBodyBytes - this.bodyBytes + 1
  }

  /** Nothing received is waiting for a slow sink. */
  get settled(): boolean {
    return !this.sinkBusy
  }

  /**
   * Takes a frame's content.
   * @param consumed called whenever `consumedBytes` has grown later than this call.
   * @returns whether nothing of `content` is kept.
   * @throws ERR_BLIP_PROPERTIES
   */
  push(content: Buffer, start: number, end: number, wireBytes: number, cut: boolean, consumed: () => void): boolean {
    this.receivedBytes += wireBytes
    if (this.parser !== undefined) {
      const parsed = this.parser.push(content, start, end)
      this.cost = this.parser.bufferedBytes
      if (parsed === undefined) {
        this.consumedBytes += wireBytes
        return true
      }
      this.parser = undefined
      this.properties = parsed.properties
      this.cost = 0
      start = parsed.next
    }
    this.bodyBytes += end - start
    if (cut || this.bodyBytes > this.maxBodyBytes) {
      this.tooLarge = true
      this.discard()
    }
    if (start === end || this.tooLarge || this.sinkError !== undefined) {
      this.consumedBytes += wireBytes
      return true
    }
    const piece = content.subarray(start, end)
    if (this.sink === undefined) {
      this.pieces.push(piece)
      this.cost += piece.length + PIECE_COST
      this.consumedBytes += wireBytes
    } else if (this.sinkBusy) {
      this.backlog.push({ piece, wireBytes })
      this.cost += piece.length + PIECE_COST
    } else return this.feed(piece, wireBytes, consumed) && this.releasesPieces
    return false
  }

  /** The collected body; empty when it went to a sink or was thrown away. */
  takeBody(): Buffer {
    const { pieces } = this
    this.pieces = []
    this.cost = 0
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  /** Returns whether the sink took the piece at once. */
  private feed(piece: Buffer, wireBytes: number, consumed: () => void): boolean {
    let wait: Promise<void> | undefined
    try {
      const result = this.sink?.(piece)
      if (result !== undefined) wait = result
    } catch (error) {
      this.failSink(error)
    }
    if (wait === undefined) {
      this.consumedBytes += wireBytes
      return true
    }
    this.sinkBusy = true
    wait
      .then(undefined, (error: unknown) => {
        this.failSink(error)
      })
      .then(() => {
        this.consumedBytes += wireBytes
        this.sinkBusy = false
        while (!this.sinkBusy) {
          const next = this.backlog.shift()
          if (next === undefined) break
          this.cost -= next.piece.length + PIECE_COST
          if (this.sinkError !== undefined || this.tooLarge) this.consumedBytes += next.wireBytes
          else this.feed(next.piece, next.wireBytes, consumed)
        }
        consumed()
      })
      .catch(() => {
        /* Nothing above throws: what receivers throw is caught where they are called. */
      })
    return false
  }

  private failSink(error: unknown): void {
    this.sinkError = error ?? new Error('The receiver of the body failed')
    this.sink = undefined
  }

  private discard(): void {
    this.pieces = []
    if (this.backlog.length === 0) this.cost = 0
  }
}
