import { blipErrors } from './errors.ts'
import { type BudgetHolder, type BufferBudget, outOfBudget } from './buffer-budget.ts'
import { ACK_INTERVAL, ACK_REQUEST, ACK_RESPONSE, ERROR, MORE_COMING, REQUEST } from './frame.ts'
import type { DecodedFrame } from './frame-decoder.ts'
import { type BodySink, IncomingAssembly } from './incoming-assembly.ts'
import { type ReceivedMessage, messageOfFrame, truncated } from './received-message.ts'

export interface InboxLimits {
  /** Ceiling of a request's body and of a reply's that is collected. */
  readonly maxBodyBytes: number
  /** Ceiling of a reply's body that is handed on piece by piece. */
  readonly maxStreamedBodyBytes: number
  /** Requests that have begun to arrive and are not complete. */
  readonly maxIncomingMessages: number
  /** Bytes held of messages that are incomplete or wait for their handler. */
  readonly maxBufferedBytes: number
  /** Shared with other connections. */
  readonly budget: BufferBudget | undefined
}

/** How the inbox treats the reply to a request of ours. */
export interface ExpectedReply {
  readonly sink: BodySink | undefined
  /** See {@link RequestOptions.releasesPieces}. */
  readonly releasesPieces: boolean
  readonly maxBodyBytes: number | undefined
  assembly: IncomingAssembly | undefined
}

export interface InboxOwner {
  /** The reply that is awaited under this number; undefined when there is none. */
  expected(number: number): ExpectedReply | undefined
  /** A response nobody waits for, of a number that was sent. */
  unexpected(number: number): void
  requestReceived(message: ReceivedMessage): void
  replyReceived(message: ReceivedMessage): void
  /** @param canWait so many messages arrive that the other side has others to go on with. */
  acknowledge(number: number, type: typeof ACK_REQUEST | typeof ACK_RESPONSE, bytes: number, canWait: boolean): void
  /** Highest request number sent so far. */
  readonly lastRequestNumber: number
  /** The connection is to end, for the sake of the others. */
  evicted(error: Error): void
}

const noBody = Buffer.alloc(0)
/** Changes smaller than this are not told to the shared budget. */
const BUDGET_STEP = 16 * 1024
/** Below it a connection is left alone when the shared budget gets short. */
const SMALL_BYTES = 256 * 1024
/** With so many windows open, none of them is used up before what was read is handled. */
const MANY_MESSAGES = 8

/** Puts the frames of messages together, checks their order, and says when to acknowledge (blip.md §3, §9, §13). */
export class Inbox implements BudgetHolder {
  private readonly limits: InboxLimits
  private readonly owner: InboxOwner
  private lastStarted = 0
  /** Messages of several frames that have begun and are not delivered. */
  private arriving = 0
  private readonly requests = new Map<number, IncomingAssembly>()
  /** Bytes of messages that were delivered but wait for their handler. */
  private waitingBytes = 0
  private assemblyBytes = 0
  /** What the shared budget knows of. */
  private counted = 0
  /** Under memory pressure only this message is acknowledged, so that it can end; the others wait here, oldest first. */
  private privileged: IncomingAssembly | undefined
  private readonly withheld = new Set<IncomingAssembly>()
  private ended = false

  constructor(limits: InboxLimits, owner: InboxOwner) {
    this.limits = limits
    this.owner = owner
  }

  get bufferedBytes(): number {
    return this.waitingBytes + this.assemblyBytes
  }

  /** How much content of a frame is worth keeping; see {@link FrameDecoder.decode}. */
  readonly allowance = (frame: DecodedFrame): number => {
    const assembly = frame.type === REQUEST ? this.requests.get(frame.number) : this.owner.expected(frame.number)?.assembly
    if (assembly !== undefined) return assembly.allowance
    return 110_000 + this.bodyLimit(frame.type === REQUEST ? undefined : this.owner.expected(frame.number))
  }

  /**
   * Takes the frame that was just decoded, no acknowledgement.
   * @returns whether nothing of its content is kept.
   * @throws ERR_BLIP_NUMBER, ERR_BLIP_PROPERTIES, ERR_BLIP_TRUNCATED, ERR_BLIP_LIMIT; the connection is then to be closed.
   */
  frame(frame: DecodedFrame): boolean {
    const { number } = frame
    if (frame.type === REQUEST) {
      const assembly = this.requests.get(number)
      if (assembly !== undefined) return this.push(assembly, frame)
      if (number !== this.lastStarted + 1) {
        throw blipErrors.create(
          'ERR_BLIP_NUMBER',
          number <= this.lastStarted ? `Request ${number} has already ended` : `Request ${number} came instead of ${this.lastStarted + 1}`
        )
      }
      this.lastStarted = number
      if ((frame.flags & MORE_COMING) === 0) {
        this.owner.requestReceived(messageOfFrame(frame, this.bodyLimit(undefined)))
        return false
      }
      if (this.requests.size >= this.limits.maxIncomingMessages)
        throw blipErrors.create('ERR_BLIP_LIMIT', `More than ${this.limits.maxIncomingMessages} messages arrive at once`)
      const started = new IncomingAssembly(number, frame.type, frame.flags, this.limits.maxBodyBytes, undefined, false)
      this.requests.set(number, started)
      this.arriving++
      return this.push(started, frame)
    }
    const expected = this.owner.expected(number)
    if (expected === undefined) {
      if (number > this.owner.lastRequestNumber)
        throw blipErrors.create('ERR_BLIP_NUMBER', `Response to request ${number}, which was never sent`)
      this.owner.unexpected(number)
      return true
    }
    if (expected.assembly === undefined) {
      if ((frame.flags & MORE_COMING) === 0 && expected.sink === undefined) {
        this.owner.replyReceived(messageOfFrame(frame, this.bodyLimit(expected)))
        return false
      }
      const limit = frame.type === ERROR ? this.limits.maxBodyBytes : this.bodyLimit(expected)
      expected.assembly = new IncomingAssembly(number, frame.type, frame.flags, limit, expected.sink, expected.releasesPieces)
      this.arriving++
    } else if (expected.assembly.complete) {
      throw blipErrors.create('ERR_BLIP_NUMBER', `Response ${number} has already ended`)
    }
    return this.push(expected.assembly, frame)
  }

  /** Counts a delivered message that cannot be handled yet. @throws ERR_BLIP_LIMIT */
  hold(bytes: number): void {
    this.waitingBytes += bytes
    this.checkBudget()
    this.share()
  }

  /** The message of that size is being handled. */
  release(bytes: number): void {
    this.waitingBytes -= bytes
    this.share()
    this.relax()
  }

  /** Drops everything. */
  clear(): void {
    this.ended = true
    this.limits.budget?.leave(this, this.counted)
    this.counted = 0
    this.requests.clear()
    this.withheld.clear()
    this.privileged = undefined
  }

  private bodyLimit(expected: ExpectedReply | undefined): number {
    return expected?.maxBodyBytes ?? (expected?.sink !== undefined ? this.limits.maxStreamedBodyBytes : this.limits.maxBodyBytes)
  }

  /** Others need the room. */
  evict(): void {
    this.owner.evicted(outOfBudget(this.limits.budget!))
  }

  private push(assembly: IncomingAssembly, frame: DecodedFrame): boolean {
    const released = assembly.push(frame.content, frame.start, frame.end, frame.wireBytes, frame.cut, () => {
      this.consumed(assembly)
    })
    this.recount(assembly)
    if ((frame.flags & MORE_COMING) === 0) {
      if (assembly.properties === undefined) throw truncated(assembly.number)
      assembly.complete = true
      if (assembly.settled) this.deliver(assembly)
      return released
    }
    this.checkBudget()
    this.considerAck(assembly)
    return released
  }

  /** A slow sink has taken a piece. */
  private consumed(assembly: IncomingAssembly): void {
    if (this.ended) return
    this.recount(assembly)
    if (!assembly.complete) this.considerAck(assembly)
    else if (assembly.settled) this.deliver(assembly)
  }

  private deliver(assembly: IncomingAssembly): void {
    this.arriving--
    if (assembly.type === REQUEST) this.requests.delete(assembly.number)
    const { number, type, flags, properties, tooLarge, sinkError } = assembly
    const message: ReceivedMessage = {
      number,
      type,
      flags,
      properties: properties!,
      body: tooLarge ? noBody : assembly.takeBody(),
      tooLarge,
      sinkError
    }
    this.recount(assembly)
    this.withheld.delete(assembly)
    if (this.privileged === assembly) this.privileged = undefined
    if (type === REQUEST) this.owner.requestReceived(message)
    else this.owner.replyReceived(message)
    this.relax()
  }

  private recount(assembly: IncomingAssembly): void {
    this.assemblyBytes += assembly.cost - assembly.accounted
    assembly.accounted = assembly.cost
    this.share()
  }

  /** Tells the shared budget. @throws ERR_BLIP_LIMIT when this connection is the one to end. */
  private share(): void {
    const { budget } = this.limits
    if (budget === undefined || this.ended) return
    const bytes = this.bufferedBytes
    const change = bytes - this.counted
    if (change === 0 || (bytes > 0 && Math.abs(change) < BUDGET_STEP)) return
    this.counted = bytes
    if (!budget.count(this, change)) throw outOfBudget(budget)
  }

  private checkBudget(): void {
    if (this.bufferedBytes > this.limits.maxBufferedBytes) {
      throw blipErrors.create('ERR_BLIP_LIMIT', `More than ${this.limits.maxBufferedBytes} bytes of incomplete or unhandled messages`)
    }
  }

  private get pressed(): boolean {
    const bytes = this.bufferedBytes
    return bytes > this.limits.maxBufferedBytes / 4 || (bytes > SMALL_BYTES && this.limits.budget?.pressed === true)
  }

  private considerAck(assembly: IncomingAssembly): void {
    if (assembly.consumedBytes - assembly.ackedBytes < ACK_INTERVAL) return
    if (this.pressed) {
      this.privileged ??= assembly
      if (this.privileged !== assembly) {
        this.withheld.add(assembly)
        return
      }
    }
    assembly.ackedBytes = assembly.consumedBytes
    const type = assembly.type === REQUEST ? ACK_REQUEST : ACK_RESPONSE
    this.owner.acknowledge(assembly.number, type, assembly.consumedBytes, this.arriving >= MANY_MESSAGES)
  }

  /** Memory was freed, or the privileged message has ended: others may go on. */
  private relax(): void {
    for (const assembly of this.withheld) {
      if (this.pressed && this.privileged !== undefined) return
      this.withheld.delete(assembly)
      this.considerAck(assembly)
    }
  }
}
