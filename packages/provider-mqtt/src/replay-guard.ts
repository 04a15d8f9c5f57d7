interface Sender {
  /** Ids of messages, with their times, oldest time first to go. */
  readonly ids: Map<string, number>
  /** Messages of this time and before are refused: their ids may have been forgotten. */
  floor: number
  /** When to forget the sender: then its newest message has expired. */
  forgetAt: number
}

/** How many ids are kept of a sender, and of how many senders. */
const maxIds = 256
const maxSenders = 1024

/**
 * Lets each message through once. A message counts while its time is within the window around ours; within it ids are remembered, and
 * where there are too many, everything as old as a forgotten one is refused. What one sender does costs no other.
 */
export class ReplayGuard {
  readonly #senders = new Map<string, Sender>()
  readonly #windowMs: number

  constructor(windowMs: number) {
    this.#windowMs = windowMs
  }

  /** Undefined when the message is new, otherwise why it is not taken. */
  refuse(senderId: string, id: string, time: number, now: number): string | undefined {
    if (time < now - this.#windowMs) return 'too old'
    if (time > now + this.#windowMs) return 'from the future'
    let sender = this.#senders.get(senderId)
    if (sender === undefined) {
      if (this.#senders.size >= maxSenders) this.#forget(now)
      if (this.#senders.size >= maxSenders) return 'too many senders'
      this.#senders.set(senderId, (sender = { ids: new Map(), floor: -1, forgetAt: 0 }))
    }
    if (time <= sender.floor) return 'older than what is remembered'
    if (sender.ids.has(id)) return 'seen before'
    sender.ids.set(id, time)
    sender.forgetAt = Math.max(sender.forgetAt, time + this.#windowMs)
    if (sender.ids.size > maxIds) this.#trim(sender, now)
    return undefined
  }

  #forget(now: number): void {
    for (const [senderId, { forgetAt }] of this.#senders) if (forgetAt < now) this.#senders.delete(senderId)
  }

  /** Drops the older half, expired ones first as they are the oldest. */
  #trim(sender: Sender, now: number): void {
    const oldest = [...sender.ids].sort((a, b) => a[1] - b[1]).slice(0, maxIds / 2)
    for (const [id, time] of oldest) {
      sender.ids.delete(id)
      if (time >= now - this.#windowMs) sender.floor = Math.max(sender.floor, time)
    }
  }
}
