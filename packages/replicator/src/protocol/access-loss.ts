import { errorCode } from '@kithmesh/core'
import type { ChangeEntry } from '@kithmesh/database/replication'
import { replicatorErrors } from '../error-catalogue.ts'
import { documentEnded } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import { passesPullFilter } from './document-filter.ts'
import type { OppositePusher } from './pusher.ts'

/** A document that the peer says we may not see any more. */
export interface LostDocument {
  readonly id: string
  /** The peer's revision of it. */
  readonly revId: string
}

export interface AccessLossOptions {
  readonly target: SessionCollection
  /** Number of the remote in the collection's bookkeeping. */
  readonly remote: number | undefined
  readonly pusher: () => OppositePusher | undefined
  /** Revisions asked for and not here yet. */
  readonly outstanding: () => number
  /** Stores what arrived and waits for its transaction. */
  readonly flush: () => void
}

/**
 * Purges documents to which the peer took our access away: they left the channels we may see, or we left them (cbmobile.md §6, §9).
 *
 * Couchbase Lite purges local changes that were never pushed along with the rest. Here such a document stays until the peer has taken its
 * changes, for as long as the session runs, and a document error says so: losing them is for the user to decide.
 */
export class AccessLoss {
  readonly #context: SessionContext
  readonly #options: AccessLossOptions
  /** Lost while revisions were on their way: what still comes of them was announced before. */
  readonly #lost = new Set<string>()
  /** Kept for their local changes. */
  readonly #kept = new Map<string, LostDocument>()

  constructor(context: SessionContext, options: AccessLossOptions) {
    this.#context = context
    this.#options = options
  }

  /** Access was lost to these, in this order; what may go is purged when this returns. */
  take(documents: readonly LostDocument[]): void {
    const { target, flush, outstanding } = this.#options
    flush()
    if (this.#context.closed) return
    const purge: ChangeEntry[] = []
    for (const document of documents) {
      if (outstanding() > 0) this.#lost.add(document.id)
      const entry = target.collection.change(document.id)
      if (entry !== undefined && this.#mayPurge(document, entry)) purge.push(entry)
    }
    this.#purge(purge)
  }

  /** Whether a revision that arrives now was announced before access to its document was lost. */
  overtook(id: string): boolean {
    return this.#lost.size > 0 && this.#lost.has(id)
  }

  /** The peer announces the document again. */
  regained(id: string): void {
    if (this.#lost.size > 0) this.#lost.delete(id)
    if (this.#kept.size > 0) this.#kept.delete(id)
  }

  /** No revision is on its way any more. */
  settled(): void {
    if (this.#lost.size > 0) this.#lost.clear()
  }

  /** The peer took a revision of ours: what was kept for it may go. */
  pushed(id: string): void {
    const document = this.#kept.size === 0 ? undefined : this.#kept.get(id)
    if (document === undefined) return
    const entry = this.#options.target.collection.change(id)
    if (entry !== undefined && this.#hasLocalChanges(document, entry)) return
    this.#kept.delete(id)
    if (entry !== undefined) this.#purge([entry])
  }

  #mayPurge(document: LostDocument, entry: ChangeEntry): boolean {
    const { target } = this.#options
    const { id, revId } = document
    if (!this.#context.autoPurge) {
      documentEnded(this.#context, 'pull', target, { id, revId, deleted: false, accessRemoved: true })
      return false
    }
    try {
      const passes = passesPullFilter(target, this.#context.peerId, { id, revId, deleted: false, accessRemoved: true, body: {} })
      if (!passes) {
        this.#report(document, replicatorErrors.create('ERR_REPL_DOC_REJECTED', `Document "${id}" was kept by the pull filter`), false)
        return false
      }
    } catch (cause) {
      this.#report(
        document,
        replicatorErrors.create('ERR_REPL_FILTER', `The pull filter failed for document "${id}", which was kept`, { cause }),
        false
      )
      return false
    }
    if (!this.#hasLocalChanges(document, entry)) return true
    this.#kept.set(id, document)
    this.#report(
      document,
      replicatorErrors.create('ERR_REPL_DOC_KEPT', `Access to document "${id}" was lost, but it has changes that the peer does not have`, {
        details: { id, revId: entry.revId }
      }),
      this.#options.pusher() !== undefined
    )
    return false
  }

  #hasLocalChanges({ id, revId }: LostDocument, entry: ChangeEntry): boolean {
    const { target, remote, pusher } = this.#options
    if (entry.conflicted) return true
    if (entry.revId === revId || pusher()?.acknowledged(id, entry.revId) === true) return false
    return remote === undefined || target.collection.remoteAncestor(remote, id) !== entry.revId
  }

  #purge(entries: readonly ChangeEntry[]): void {
    if (entries.length === 0) return
    const { target } = this.#options
    try {
      target.collection.purge(entries.map(({ id }) => id))
    } catch (cause) {
      this.#context.fail(
        replicatorErrors.create('ERR_REPL_STORE', 'Documents to which access was lost could not be purged', { cause }),
        errorCode(cause) === 'ERR_DB_LOCKED'
      )
      return
    }
    for (const { id, revId, deleted } of entries) {
      // A document that is made anew under this id does not descend from what the peer took.
      this.#options.pusher()?.pulled(id)
      documentEnded(this.#context, 'pull', target, { id, revId, deleted, accessRemoved: true })
    }
  }

  #report({ id, revId }: LostDocument, error: Parameters<typeof documentEnded>[4], transient: boolean): void {
    documentEnded(this.#context, 'pull', this.#options.target, { id, revId, deleted: false, accessRemoved: true }, error, transient)
  }
}
