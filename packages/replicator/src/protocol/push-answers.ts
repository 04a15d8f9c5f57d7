import type { KithmeshError } from '@kithmesh/core'
import type { Reply } from '@kithmesh/blip'
import { replicatorErrors } from '../errors.ts'
import { documentEnded, isTransientStatus } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import type { DocumentsUnderWay } from './documents-under-way.ts'
import { parseChangesReply, parseProposalsReply } from './messages.ts'
import type { RemoteAncestors } from './remote-ancestors.ts'
import type { PushItem, SendOutcome } from './rev-sender.ts'

export interface PushAnswersOptions {
  readonly target: SessionCollection
  readonly documents: DocumentsUnderWay
  readonly ancestors: RemoteAncestors
  /** This session pulls too, so that rivals come by themselves. */
  readonly pulls: boolean
  /** The peer takes a revision that ends its branch (`deleted_branch`) instead of one that descends from it. */
  readonly endsBranches: () => boolean
  /** Told each document of which the peer has our revision now. */
  readonly acknowledged?: ((id: string) => void) | undefined
  /** The peer wants the revision. */
  readonly send: (item: PushItem) => void
}

const NOTHING: ReadonlySet<string> = new Set()

/** What the peer's answers mean for the documents: sent, over, tried again or refused (cbmobile.md §6–§8, §11). */
export class PushAnswers {
  readonly #context: SessionContext
  readonly #options: PushAnswersOptions

  constructor(context: SessionContext, options: PushAnswersOptions) {
    this.#context = context
    this.#options = options
  }

  /** The answer to `changes`. @throws MessageError */
  onWanted(items: readonly PushItem[], body: Buffer): void {
    const wanted = parseChangesReply(body, items.length)
    items.forEach((item, i) => {
      const known = wanted[i]
      if (typeof known === 'object') {
        item.known = known.length === 0 ? NOTHING : new Set(known)
        this.#options.send(item)
      } else this.#options.documents.finish(item)
    })
  }

  /** Sends revisions as if the peer had agreed to their proposal. */
  sendUnproposed(items: readonly PushItem[]): void {
    for (const item of items) {
      item.unproposed = true
      item.known = item.parentRevId === '' ? NOTHING : new Set([item.parentRevId])
      this.#options.send(item)
    }
  }

  /** The answer to `proposeChanges`. @throws MessageError */
  onProposalStatuses(items: readonly PushItem[], body: Buffer): void {
    const { documents, ancestors, send } = this.#options
    const statuses = parseProposalsReply(body, items.length)
    items.forEach((item, i) => {
      const { status, rev } = statuses[i] as { status: number; rev: string | undefined }
      if (status === 0) {
        item.known = item.parentRevId === '' ? NOTHING : new Set([item.parentRevId])
        // The graft is a new change and comes by the scan.
        if (this.#needsGraft(item) && this.#graft(item)) documents.finish(item)
        else send(item)
      } else if (status === 304) {
        ancestors.note(item, item.revId)
        documents.finish(item)
        this.#options.acknowledged?.(item.id)
      } else if (status === 409) this.#onConflict(item, rev)
      else if (isTransientStatus(status)) documents.failTransiently(item, rejection(item, 'HTTP', status, ''))
      else documents.failForGood(item, rejection(item, 'HTTP', status, ''))
    })
  }

  /** What became of a revision that was to be sent. */
  onSent(item: PushItem, outcome: SendOutcome): void {
    switch (outcome.kind) {
      case 'sent': {
        const { statistics } = this.#context
        statistics.documentsPushed++
        statistics.bytesPushed += outcome.bytes
        this.#options.ancestors.note(item, outcome.revId)
        this.#options.documents.finish(item)
        this.#options.acknowledged?.(item.id)
        if (this.#context.wantsDocuments) documentEnded(this.#context, 'push', this.#options.target, item)
        return
      }
      case 'gone':
        this.#options.documents.finish(item)
        return
      case 'unsendable':
        this.#options.documents.failForGood(
          item,
          replicatorErrors.create('ERR_REPL_DOC_INVALID', `Document "${item.id}" cannot be sent in the form that the peer wants`, {
            cause: outcome.cause
          })
        )
        return
      case 'refused':
        this.#onRevError(item, outcome.reply)
    }
  }

  /** 11. The peer's current revision is not the one we took for it. */
  #onConflict(item: PushItem, told: string | undefined): void {
    const { documents, ancestors, pulls } = this.#options
    const theirs = told === undefined ? undefined : this.#context.versioning.revIdOf(told)
    if (theirs !== undefined && theirs !== item.parentRevId && documents.countTry(item.id) && this.#isBehind(item, theirs)) {
      ancestors.note(item, theirs)
      documents.repeat(item)
    } else if (pulls) documents.finish(item)
    else documents.failForGood(item, rivalry(item, { remoteRevId: told }))
  }

  /** The peer's revision is an ancestor of ours, or on a branch that we ended. */
  #isBehind(item: PushItem, theirs: string): boolean {
    const { collection } = this.#options.target
    const { versioning } = this.#context
    const ours = collection.revision(item.id, item.revId)
    if (ours !== undefined && versioning.descendsFrom(ours, theirs)) return true
    return versioning.branches && collection.closingTombstone(item.id, theirs) !== undefined
  }

  /** 11. Ours won against the revision that the peer has, and a peer of another make takes only what descends from it. */
  #needsGraft({ id, revId, parentRevId }: PushItem): boolean {
    const { collection } = this.#options.target
    return (
      this.#context.versioning.branches &&
      parentRevId !== '' &&
      !this.#options.endsBranches() &&
      collection.revision(id, revId)?.history.includes(parentRevId) === false &&
      collection.closingTombstone(id, parentRevId) !== undefined
    )
  }

  #graft({ id, parentRevId }: PushItem): boolean {
    return this.#options.target.collection.graft?.(id, parentRevId) === true
  }

  #onRevError(item: PushItem, reply: Extract<Reply, { kind: 'error' }>): void {
    const { documents, pulls } = this.#options
    // 11. Trees: sent as the end of the peer's branch. Vectors: made with knowledge of what the peer has, as it should have.
    const above = item.endsBranch || (!this.#context.versioning.branches && item.parentRevId !== '')
    if (item.unproposed && reply.code === 409) {
      // The proposal tells what the peer has instead.
      documents.repeat(item)
      return
    }
    const error = rejection(item, reply.domain, reply.code, reply.message)
    if (isTransientStatus(reply.code)) documents.failTransiently(item, error)
    else if (reply.code === 403 && this.#context.active && documents.countTry(item.id, 1)) {
      // 8. A refusal may hang on another document that is still to come: once more, later.
      documents.repeat(item)
    } else if (reply.code === 409 && above && documents.countTry(item.id, 1)) {
      // The peer may have moved on meanwhile: then the next proposal says so, and the pull brings what it has.
      documents.repeat(item)
    } else if (reply.code === 409 && above && this.#graft(item)) {
      // It takes only what descends from its own revision, or is newer by Couchbase Lite's rule. The graft is, and comes by the scan.
      documents.finish(item)
    } else if (reply.code === 409 && pulls) documents.finish(item)
    else if (reply.code === 409) documents.failForGood(item, rivalry(item, {}))
    else documents.failForGood(item, error)
  }
}

function rejection(item: PushItem, domain: string, code: number, message: string): KithmeshError {
  return replicatorErrors.create(
    'ERR_REPL_DOC_REJECTED',
    `The peer refused document "${item.id}": ${domain} ${code} ${message.slice(0, 300)}`.trimEnd(),
    {
      details: { id: item.id, revId: item.revId, domain, code }
    }
  )
}

function rivalry({ id, revId }: PushItem, details: { readonly remoteRevId?: string | undefined }): KithmeshError {
  return replicatorErrors.create('ERR_REPL_DOC_CONFLICT', `The peer has a rival revision of document "${id}"`, {
    details: { id, revId, ...details }
  })
}
