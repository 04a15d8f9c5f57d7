import type { Reply } from '@kithmesh/blip'
import { withCollection } from './context.ts'
import type { SessionContext } from './context.ts'
import { encodeChanges, encodeProposals } from './messages.ts'
import type { PushItem } from './rev-sender.ts'

const EMPTY_LIST = Buffer.from('[]')

/** Sends lists of what there is to push: proposals of the active side (cbmobile.md §7), changes for a subscriber (passive, §6). */
export class Announcer {
  readonly #context: SessionContext
  readonly #index: number | undefined
  readonly #profile: 'proposeChanges' | 'changes'
  readonly #replied: (profile: string, items: readonly PushItem[], reply: Reply) => void
  #inFlight = 0
  #announcedAny = false
  #toldCaughtUp = false

  constructor(
    context: SessionContext,
    index: number | undefined,
    replied: (profile: string, items: readonly PushItem[], reply: Reply) => void
  ) {
    this.#context = context
    this.#index = index
    this.#profile = context.active ? 'proposeChanges' : 'changes'
    this.#replied = replied
  }

  /** Lists without an answer. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** The end of the backlog was reached once. */
  get toldCaughtUp(): boolean {
    return this.#toldCaughtUp
  }

  announce(items: PushItem[]): void {
    const { active, blip, legacy, statistics } = this.#context
    if (items.length === 0) return
    this.#announcedAny = true
    this.#inFlight++
    statistics.documentsAnnounced += items.length
    blip.request(
      {
        profile: this.#profile,
        properties: this.#properties(),
        body: active ? encodeProposals(items) : encodeChanges(items, legacy),
        // Not compressed: of a list of digests and ids less than half can be saved, at 40 MB/s (docs/performance/profile.md).
        urgent: true
      },
      (reply) => {
        this.#context.touch()
        this.#inFlight--
        this.#replied(this.#profile, items, reply)
      }
    )
  }

  /** They go without being announced. */
  skip(items: readonly PushItem[]): void {
    if (items.length > 0) this.#announcedAny = true
    this.#context.statistics.documentsAnnounced += items.length
  }

  /** Nothing was announced yet, nor skipped. */
  get isFirst(): boolean {
    return !this.#announcedAny
  }

  /** The end of the backlog is reached. */
  caughtUp(): void {
    if (this.#toldCaughtUp) return
    this.#toldCaughtUp = true
    // The passive side always says that it caught up (cbmobile.md §6); the active one only when it had nothing at all.
    if (this.#context.active && this.#announcedAny) return
    this.#context.blip.request({
      profile: this.#profile,
      properties: this.#properties(),
      body: EMPTY_LIST,
      urgent: true,
      noReply: true
    })
  }

  #properties(): Readonly<Record<string, string>> {
    return withCollection(this.#index, this.#context.active ? { conflictIncludesRev: 'true' } : {})
  }
}
