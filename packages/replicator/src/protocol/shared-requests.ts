/** How long anybody waits for what another session asked for. */
const PATIENCE_MS = 5_000
/** A session that let a request expire is waited for by nobody for so long. */
const DISTRUST_MS = 60_000

/**
 * What the sessions of one database have asked their peers for and do not have yet, so that a revision that several neighbours announce at nearly
 * the same time comes over one link only. Give the same object to all replicators and passive sides of a database, and to those of no other.
 *
 * A list of changes that names a revision under way over another link is answered when that is stored, has failed, or its session has
 * ended, and after five seconds at the latest; then it is judged afresh, so that what failed there is asked for here. A session that needs longer
 * than that is waited for by nobody during the next minute.
 */
export class SharedRequests {
  readonly #collections = new Map<string, RequestTable>()

  /** @internal The part of one session in one collection. `wake` is called when what it waits for may be over. */
  join(scope: string, name: string, wake: () => void): SessionRequests {
    const key = `${scope}.${name}`
    let table = this.#collections.get(key)
    if (table === undefined) this.#collections.set(key, (table = new RequestTable()))
    return new SessionRequests(table, wake)
  }
}

/** One revision that was asked for. */
interface Claim {
  readonly revId: string
  readonly holder: SessionRequests
  readonly madeAt: number
  over: boolean
  waiting: SessionRequests[] | undefined
}

/** Wall-clock times: a clock that was set back must not stretch anything. */
const isPast = (since: number, ms: number, now: number): boolean => now - since >= ms || now < since

/** The requests of all sessions for one collection: of a document the newest, oldest first. */
class RequestTable {
  readonly #claims = new Map<string, Claim>()

  get(id: string): Claim | undefined {
    return this.#claims.size === 0 ? undefined : this.#claims.get(id)
  }

  set(id: string, claim: Claim): void {
    this.delete(id)
    this.#claims.set(id, claim)
  }

  delete(id: string): void {
    const claim = this.#claims.get(id)
    if (claim === undefined) return
    this.#claims.delete(id)
    claim.over = true
    const { waiting } = claim
    claim.waiting = undefined
    if (waiting !== undefined) for (const session of waiting) session.wake()
  }

  /** Forgets what took too long. */
  expire(now: number): void {
    for (const [id, { madeAt, holder }] of this.#claims) {
      if (!isPast(madeAt, PATIENCE_MS, now)) return
      holder.distrust(now)
      this.delete(id)
    }
  }

  end(holder: SessionRequests): void {
    for (const [id, claim] of this.#claims) if (claim.holder === holder) this.delete(id)
  }
}

/** What one session asked for of a collection, and what it waits for. */
export class SessionRequests {
  readonly #table: RequestTable
  readonly #wake: () => void
  #distrustedSince: number | undefined
  #ended = false
  /** What it waits for. */
  #awaited: Claim | undefined

  constructor(table: RequestTable, wake: () => void) {
    this.#table = table
    this.#wake = wake
  }

  /** The revision was asked for, or is arriving. */
  begin(id: string, revId: string, now: number): void {
    if (this.#ended) return
    if (this.#distrustedSince !== undefined) {
      if (!isPast(this.#distrustedSince, DISTRUST_MS, now)) return
      this.#distrustedSince = undefined
    }
    const claim = this.#table.get(id)
    if (claim?.revId === revId && (claim.holder === this || !isPast(claim.madeAt, PATIENCE_MS, now))) return
    this.#table.set(id, { revId, holder: this, madeAt: now, over: false, waiting: undefined })
  }

  /** The revision does not come over this link. */
  failed(id: string): void {
    if (this.#table.get(id)?.holder === this) this.#table.delete(id)
  }

  /** The revision is here, whoever asked for it. */
  stored(id: string, revId: string): void {
    const claim = this.#table.get(id)
    if (claim?.holder === this || claim?.revId === revId) this.#table.delete(id)
  }

  /** Whether the revision is under way over another link. */
  isElsewhere(id: string, revId: string, now: number): boolean {
    const claim = this.#table.get(id)
    return claim !== undefined && claim.holder !== this && claim.revId === revId && !isPast(claim.madeAt, PATIENCE_MS, now)
  }

  /** Calls `wake` when the document's request over another link is over, of those given the last one only. */
  awaits(id: string): void {
    const claim = this.#table.get(id)
    this.#awaited = claim
    if (claim !== undefined) (claim.waiting ??= []).push(this)
  }

  /** What `awaits` was given is under way still. */
  get waiting(): boolean {
    return this.#awaited?.over === false
  }

  /** A list was first held up then: whether that is long enough. */
  isOverdue(since: number, now: number): boolean {
    return isPast(since, PATIENCE_MS, now)
  }

  tick(now: number): void {
    this.#table.expire(now)
  }

  /** The session asks for nothing more, and gets nothing. */
  end(): void {
    this.#ended = true
    this.#awaited = undefined
    this.#table.end(this)
  }

  distrust(now: number): void {
    this.#distrustedSince = now
  }

  wake(): void {
    if (!this.#ended) this.#wake()
  }
}
