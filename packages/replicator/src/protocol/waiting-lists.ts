import type { IncomingRequest } from '@kithmesh/blip'
import type { SessionContext } from './context.ts'
import { parseChanges, parseProposals } from './messages.ts'
import type { IncomingChange, IncomingProposal } from './messages.ts'
import type { Pusher } from './pusher.ts'
import type { SessionRequests } from './shared-requests.ts'

export type ListEntry = IncomingChange | IncomingProposal

/** A list that was not answered. */
export interface WaitingList {
  readonly request: IncomingRequest
  /** Changes on the active side, proposals on the passive one. */
  readonly entries: readonly ListEntry[]
}

export interface WaitingListsOptions {
  /** Among the sessions of the database. */
  readonly requests: SessionRequests | undefined
  /** The push of this session. */
  readonly anyPusher: () => Pick<Pusher, 'heard'> | undefined
  /** Whether the revision would be asked for at all. */
  readonly isCandidate: (entry: ListEntry) => boolean
}

interface Waiting {
  readonly request: IncomingRequest
  entries: readonly ListEntry[] | undefined
  /** When it was first held up by what is under way over another link. */
  heldSince: number | undefined
}

/**
 * The peer's lists in the order in which they came, each held up for a while when something in it is under way over another link. The lists
 * after it wait too: a subscriber's checkpoint relies on their order, and whoever announces live has one list without an answer at a time anyway.
 */
export class WaitingLists {
  readonly #context: SessionContext
  readonly #options: WaitingListsOptions
  readonly #lists: Waiting[] = []

  constructor(context: SessionContext, options: WaitingListsOptions) {
    this.#context = context
    this.#options = options
  }

  get length(): number {
    return this.#lists.length
  }

  /** The first one waits for another link. */
  get heldUp(): boolean {
    return this.#lists[0]?.heldSince !== undefined
  }

  add(request: IncomingRequest): void {
    this.#lists.push({ request, entries: undefined, heldSince: undefined })
  }

  /** The first list, unless it is held up; with what is wrong with it when it cannot be read. */
  take(): WaitingList | { readonly request: IncomingRequest; readonly error: unknown } | undefined {
    const list = this.#lists[0]
    if (list === undefined) return undefined
    const { request } = list
    let entries: readonly ListEntry[]
    try {
      entries = list.entries ??= this.#parse(request)
    } catch (error) {
      this.#lists.shift()
      return { request, error }
    }
    if (this.#isHeldUp(list, entries)) return undefined
    this.#lists.shift()
    return { request, entries }
  }

  /** Of a proposal, which may name a whole vector, too. */
  revIdOf({ revId }: ListEntry): string {
    const { versioning } = this.#context
    return versioning.branches ? revId : (versioning.revIdOf(revId) ?? revId)
  }

  #parse(request: IncomingRequest): readonly ListEntry[] {
    const { active, versioning, limits } = this.#context
    const parse = active ? parseChanges : parseProposals
    return parse(request, versioning, limits.maxIncomingEntries)
  }

  #isHeldUp(list: Waiting, entries: readonly ListEntry[]): boolean {
    const { requests, anyPusher } = this.#options
    if (requests === undefined) return false
    const now = this.#context.now()
    if (list.heldSince !== undefined && requests.isOverdue(list.heldSince, now)) return false
    if (list.heldSince !== undefined && requests.waiting) return true
    const first = entries.find((entry) => this.#isElsewhere(requests, entry, now))
    if (first === undefined) return false
    if (list.heldSince === undefined) {
      list.heldSince = now
      // It will be stored in a moment, and need not be announced then to whom it just came from.
      const pusher = anyPusher()
      if (pusher !== undefined)
        for (const entry of entries) if (this.#isElsewhere(requests, entry, now)) pusher.heard(entry.id, this.revIdOf(entry))
    }
    requests.awaits(first.id)
    return true
  }

  #isElsewhere(requests: SessionRequests, entry: ListEntry, now: number): boolean {
    return this.#options.isCandidate(entry) && requests.isElsewhere(entry.id, this.revIdOf(entry), now)
  }
}
