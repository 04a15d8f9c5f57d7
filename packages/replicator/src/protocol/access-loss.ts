import { errorCode } from '@kithmesh/core'
import type { ChangeEntry } from '@kithmesh/database/replication'
import { replicatorErrors } from '../errors.ts'
import { documentEnded } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import { passesPullFilter } from './document-filter.ts'
import { KeptDocuments } from './kept-documents.ts'
import type { LostDocument } from './kept-documents.ts'
import type { OppositePusher } from './pusher.ts'

export interface AccessLossOptions {
  readonly target: SessionCollection
  /** Number of the remote in the collection's bookkeeping. */
  readonly remote: number | undefined
  readonly pusher: () => OppositePusher | undefined
  /** Under which what is kept is remembered; see {@link KeptDocuments}. */
  readonly checkpoint: string | undefined
  /** Revisions asked for and not here yet. */
  readonly outstanding: () => number
  /** Stores what arrived and waits for its transaction. */
  readonly flush: () => void
}

/**
 * Purges documents to which the peer took our access away: they left the channels we may see, or we left them (cbmobile.md §6, §9).
 *
 * Couchbase Lite purges local changes that were never pushed along with the rest. Here such a document stays until the peer has taken its
 * changes, be it in a later session, and a document error says so: losing them is for the user to decide.
 */
export class AccessLoss {
  readonly #context: SessionContext
  readonly #options: AccessLossOptions
  /** Lost while revisions were on their way: what still comes of them was announced before. */
  readonly #lost = new Set<string>()
  /** Kept for their local changes. */
  readonly #kept: KeptDocuments

  constructor(context: SessionContext, options: AccessLossOptions) {
    this.#context = context
    this.#options = options
    this.#kept = new KeptDocuments(context, options.checkpoint)
  }

  /** @param remembered the peer is what it was in the last session. */
  start(remembered: boolean): void {
    if (remembered) this.#kept.load(this.#options.target.collection)
    else this.#kept.forget()
  }

  /**
   * The peer has told all that it had to tell: what it did not announce again is still lost, and goes if an earlier session, or another
   * replicator, pushed its changes.
   */
  caughtUp(): void {
    if (!this.#context.autoPurge) return
    this.#purge(this.#kept.all())
    this.#kept.save()
  }

  stop(): void {
    this.#kept.save()
  }

  /** Access was lost to these, in this order; what may go is purged when this returns. */
  take(documents: readonly LostDocument[]): void {
    const { target, flush, outstanding } = this.#options
    flush()
    if (this.#context.closed) return
    const purge: LostDocument[] = []
    for (const document of documents) {
      if (outstanding() > 0) this.#lost.add(document.id)
      if (target.collection.change(document.id) !== undefined && this.#mayPurge(document)) purge.push(document)
    }
    this.#purge(purge)
    this.#kept.save()
  }

  /** Whether a revision that arrives now was announced before access to its document was lost. */
  overtook(id: string): boolean {
    return this.#lost.size > 0 && this.#lost.has(id)
  }

  /** The peer announces the documents again. */
  regained(documents: readonly { readonly id: string }[]): void {
    for (const { id } of documents) {
      if (this.#lost.size > 0) this.#lost.delete(id)
      this.#kept.delete(id)
    }
    this.#kept.save()
  }

  /** No revision is on its way any more. */
  settled(): void {
    if (this.#lost.size > 0) this.#lost.clear()
  }

  /** The peer took a revision of ours: what was kept for it may go. */
  pushed(id: string): void {
    const document = this.#kept.get(id)
    if (document === undefined || !this.#context.autoPurge) return
    this.#purge([document])
    this.#kept.saveSoon()
  }

  /** What the application wants; its filter may do anything, so this is asked before and not in the transaction. */
  #mayPurge(document: LostDocument): boolean {
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
    return true
  }

  #hasLocalChanges({ id, revId }: LostDocument, entry: ChangeEntry): boolean {
    const { pusher } = this.#options
    if (entry.conflicted) return true
    if (entry.revId === revId || pusher()?.acknowledged(id, entry.revId) === true) return false
    return entry.remoteRevId !== entry.revId
  }

  /** Purges the documents, apart from those with local changes as of the purge's own transaction: others may write at any time. */
  #purge(documents: readonly LostDocument[]): void {
    if (documents.length === 0) return
    const { target, remote } = this.#options
    const byId = new Map(documents.map((document) => [document.id, document]))
    const changed: ChangeEntry[] = []
    const mayGo = (entry: ChangeEntry): boolean => {
      if (!this.#hasLocalChanges(byId.get(entry.id) as LostDocument, entry)) return true
      changed.push(entry)
      return false
    }
    let entries: ChangeEntry[]
    try {
      entries = target.collection.purge([...byId.keys()], mayGo, remote)
    } catch (cause) {
      this.#context.fail(
        replicatorErrors.create('ERR_REPL_STORE', 'Documents to which access was lost could not be purged', { cause }),
        errorCode(cause) === 'ERR_DB_LOCKED'
      )
      return
    }
    const before = new Set(documents.flatMap(({ id }) => (this.#kept.delete(id) ? [id] : [])))
    for (const entry of changed) {
      const document = byId.get(entry.id) as LostDocument
      this.#kept.add(document, entry.revId)
      if (!before.has(entry.id)) this.#reportKept(document, entry)
    }
    for (const { id, revId, deleted } of entries) {
      // A document that is made anew under this id does not descend from what the peer took.
      this.#options.pusher()?.pulled(id)
      documentEnded(this.#context, 'pull', target, { id, revId, deleted, accessRemoved: true })
    }
  }

  #reportKept(document: LostDocument, { id, revId }: ChangeEntry): void {
    const error = replicatorErrors.create(
      'ERR_REPL_DOC_KEPT',
      `Access to document "${id}" was lost, but it has changes that the peer does not have`,
      { details: { id, revId } }
    )
    this.#report(document, error, this.#options.pusher() !== undefined)
  }

  #report({ id, revId }: LostDocument, error: Parameters<typeof documentEnded>[4], transient: boolean): void {
    documentEnded(this.#context, 'pull', this.#options.target, { id, revId, deleted: false, accessRemoved: true }, error, transient)
  }
}
