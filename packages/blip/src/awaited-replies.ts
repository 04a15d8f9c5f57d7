import type { Logger } from '@kithmesh/core'
import { NumberMap } from '@kithmesh/core/plugin'
import type { Reply } from './contracts.ts'
import { NO_REPLY } from './frame.ts'
import type { ReceivedMessage } from './received-message.ts'
import type { OutgoingEntry } from './outgoing-entry.ts'
import { type PendingReply, toReply } from './pending-reply.ts'

/** The requests of one connection that are not over: unsent, being sent, or awaiting their reply (blip.md §5). */
export class AwaitedReplies {
  private readonly logger: Logger
  /** By request number, once that is assigned. */
  private readonly pending = new NumberMap<PendingReply>()
  /** Requests whose number is not assigned yet; those of them that never will be sent. */
  private unsentCount = 0
  private lost: PendingReply[] = []
  private noRepliesUnderWay = 0

  constructor(logger: Logger) {
    this.logger = logger
  }

  /** Those that want no reply count until they are sent. */
  get count(): number {
    return this.unsentCount + this.pending.size + this.noRepliesUnderWay
  }

  /** A request waits to be sent; `reply` is undefined when it wants none. */
  add(entry: OutgoingEntry, reply: PendingReply | undefined): void {
    entry.reply = reply
    this.unsentCount++
  }

  /** The request has its number. */
  started(entry: OutgoingEntry): void {
    const { reply } = entry
    entry.reply = undefined
    this.unsentCount--
    if (reply !== undefined) this.pending.set(entry.number, reply)
    else this.noRepliesUnderWay++
  }

  /** The last frame of the request was encoded. */
  sent(entry: OutgoingEntry): void {
    if ((entry.flags & NO_REPLY) !== 0) this.noRepliesUnderWay--
  }

  /** The request cannot be sent; it had not started. */
  unsendable({ reply }: OutgoingEntry): void {
    this.unsentCount--
    if (reply !== undefined)
      this.settle(reply, { kind: 'error', domain: 'BLIP', code: 501, message: 'The body of the request cannot be read' })
  }

  /** The request will not be sent any more, because the connection ends. */
  abandoned({ reply, started }: OutgoingEntry): void {
    if (!started && reply !== undefined) this.lost.push(reply)
  }

  expected(number: number): PendingReply | undefined {
    return this.pending.get(number)
  }

  /** Gives a reply to whom it is for; false when nobody waits for it. */
  received(message: ReceivedMessage): boolean {
    const reply = this.pending.delete(message.number)
    if (reply === undefined) return false
    this.settle(reply, toReply(message))
    return true
  }

  /** No reply comes any more. */
  disconnected(): void {
    const replies = [...this.pending.values(), ...this.lost]
    this.pending.clear()
    this.lost = []
    this.unsentCount = 0
    this.noRepliesUnderWay = 0
    for (const reply of replies) this.settle(reply, { kind: 'disconnected' })
  }

  /** Tells the outcome, whatever the receiver does with it. */
  settle(reply: PendingReply, result: Reply): void {
    try {
      reply.onReply?.(result)
    } catch (error) {
      this.logger.error('The receiver of a reply failed', { error })
    }
  }
}
