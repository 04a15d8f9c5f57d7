import { blobsIn, parseBody } from '@kithmesh/database/replication'
import type { ChangeEntry, RevisionForPush } from '@kithmesh/database/replication'
import type { OutgoingProperties, Reply } from '@kithmesh/blip'
import { withCollection } from './context.ts'
import type { SessionCollection, SessionContext } from './context.ts'
import { UNUSABLE_DELTA, asStored, deltaTo } from './deltas.ts'
import type { Delta } from './deltas.ts'
import { withShadowAttachments } from './shadow-attachments.ts'

/** A document on its way, from being announced to being answered. */
export interface PushItem extends ChangeEntry {
  readonly parentRevId: string
  /** Revisions the peer has; the history sent ends at one of them. */
  known: ReadonlySet<string>
  bytes: number
  /** Sent as the end of the peer's branch. */
  endsBranch: boolean
  /** Sent without having been proposed. */
  unproposed: boolean
  /** A newer change that waits: two revisions of a document are never in flight together (cbmobile.md §17.17). */
  next: ChangeEntry | undefined
  /** The same on the passive side, where it was announced already: a subscriber's checkpoint relies on the order of sequences. */
  held: PushItem[] | undefined
}

/** How the sending of a revision ended. */
export type SendOutcome =
  | { readonly kind: 'sent'; readonly revId: string; readonly bytes: number }
  /** Replaced or purged since it was announced; the peer was told. */
  | { readonly kind: 'gone' }
  /** It cannot be put in the form that the peer wants; the peer was told. */
  | { readonly kind: 'unsendable'; readonly cause: unknown }
  | { readonly kind: 'refused'; readonly reply: Extract<Reply, { kind: 'error' }> }

export interface RevSenderOptions {
  readonly index: number | undefined
  readonly target: SessionCollection
  /** The peer takes another revision for one that is gone. */
  replaces: boolean
  /** Whether a revision in place of the announced one may go to the peer. */
  readonly mayReplace: (revision: RevisionForPush) => boolean
  /** Ancestors the peer wants at most. */
  maxHistory: number
  /** The peer wants blobs named in `_attachments` too. */
  shadows: boolean
  /** The peer takes deltas, and we make them. */
  deltas: boolean
  /** Something waits in the queue again. */
  readonly again: () => void
}

const EMPTY_BODY = Buffer.from('{}')

/** Revisions, and about how many bytes of bodies, that are read from the store at once. */
const READ_REVISIONS = 100
const READ_BYTES = 256 * 1024
/** Documents remembered as of no use for deltas. */
const MAX_WHOLE = 10_000

/** Sends the revisions that the peer wants, in order, as many at a time as the limits allow (cbmobile.md §8, §13). */
export class RevSender {
  readonly options: RevSenderOptions
  readonly #context: SessionContext
  readonly #ended: (item: PushItem, outcome: SendOutcome) => void
  readonly #queue: PushItem[] = []
  #head = 0
  #unanswered = 0
  #unansweredBytes = 0
  /** Passive side: documents with a revision in flight. */
  readonly #sending = new Map<string, PushItem>()
  /** Revisions that the peer could not make of a delta, by document: they are sent whole. */
  readonly #whole = new Map<string, string>()
  /** Where blobs are protected: those of the revisions in flight, by document. */
  readonly #offered = new Map<string, ReadonlySet<string>>()

  constructor(context: SessionContext, options: RevSenderOptions, ended: (item: PushItem, outcome: SendOutcome) => void) {
    this.#context = context
    this.options = options
    this.#ended = ended
  }

  /** Revisions that wait to be sent. */
  get queued(): number {
    return this.#queue.length - this.#head
  }
  /** Revisions sent and not answered. */
  get unanswered(): number {
    return this.#unanswered
  }

  /** Whether a document is in flight that has the blob; without an id, any document. */
  offersBlob(id: string | undefined, digest: string): boolean {
    if (id !== undefined) return this.#offered.get(id)?.has(digest) === true
    for (const digests of this.#offered.values()) if (digests.has(digest)) return true
    return false
  }

  enqueue(item: PushItem): void {
    this.#queue.push(item)
  }

  pump(): void {
    const { maxRevsUnanswered, maxBytesUnanswered } = this.#context.limits
    const queue = this.#queue
    while (this.#head < queue.length && this.#unanswered < maxRevsUnanswered && this.#unansweredBytes < maxBytesUnanswered) {
      const items = this.#nextToRead(maxRevsUnanswered - this.#unanswered)
      this.#head += items.length
      const revisions = this.options.target.collection.revisions(items)
      items.forEach((item, index) => {
        this.#take(item, revisions[index])
      })
    }
    if (this.#head === queue.length) {
      queue.length = 0
      this.#head = 0
    } else if (this.#head > 512) {
      queue.splice(0, this.#head)
      this.#head = 0
    }
  }

  /** The head of the queue, as far as it is worth reading at once. */
  #nextToRead(room: number): PushItem[] {
    const items: PushItem[] = []
    let bytes = 0
    for (let at = this.#head; at < this.#queue.length && items.length < Math.min(room, READ_REVISIONS) && bytes < READ_BYTES; at++) {
      const item = this.#queue[at] as PushItem
      items.push(item)
      bytes += item.bodySize
    }
    return items
  }

  #take(item: PushItem, revision: RevisionForPush | undefined): void {
    const { replaces, mayReplace } = this.options
    if (!this.#context.active) {
      const ahead = this.#sending.get(item.id)
      if (ahead !== undefined && ahead !== item) {
        ahead.held = [...(ahead.held ?? []), item]
        return
      }
      this.#sending.set(item.id, item)
    }
    // What was replaced since it was announced is not sent: the peer would take it for the current one. On the active side the newer
    // change is proposed by itself.
    const replaced = revision?.revId !== item.revId
    if (replaced && item.unproposed) this.#end(item, { kind: 'gone' })
    else if (revision === undefined || (replaced && (this.#context.active || !replaces || !mayReplace(revision))))
      this.#sendNorev(item, this.options.target.collection.change(item.id) === undefined ? '404' : '410', { kind: 'gone' })
    else this.#sendRev(item, revision, replaced)
  }

  #sendRev(item: PushItem, revision: RevisionForPush, replaced: boolean): void {
    const stored = revision.body.length === 0 ? EMPTY_BODY : revision.body
    let delta: Delta | undefined
    let body: Uint8Array
    try {
      delta = this.options.deltas && item.known.size > 0 ? this.#deltaFrom(item.known, revision) : undefined
      body = delta?.bytes ?? (this.options.shadows && revision.hasBlobs ? withShadowAttachments(revision.revId, stored) : stored)
    } catch (cause) {
      // Nested too deep to be written anew.
      if (!(cause instanceof RangeError)) throw cause
      this.#sendNorev(item, '500', { kind: 'unsendable', cause })
      return
    }
    // What is kept until the answer: no bodies, of which thousands would be held for as long.
    const { revId } = revision
    const bytes = body.length
    const isDelta = delta !== undefined
    item.bytes = body.length + 200
    const protectedBlobs = this.#context.protectBlobs && revision.hasBlobs
    if (protectedBlobs) this.#offered.set(item.id, new Set(blobsIn(parseBody(stored).value).map(({ digest }) => digest)))
    this.#unanswered++
    this.#unansweredBytes += item.bytes
    this.#context.blip.request(
      {
        profile: 'rev',
        properties: this.#properties(item, revision, replaced, delta?.source),
        body,
        compress: true
      },
      (reply) => {
        this.#unanswered--
        this.#unansweredBytes -= item.bytes
        if (protectedBlobs) this.#offered.delete(item.id)
        if (reply.kind === 'disconnected') return
        this.#context.touch()
        if (reply.kind === 'ok') {
          this.#whole.delete(item.id)
          this.#end(item, { kind: 'sent', revId, bytes })
        } else if (isDelta && isForDelta(reply.code)) this.#sendWhole(item, revId)
        else this.#end(item, { kind: 'refused', reply })
      }
    )
  }

  #deltaFrom(known: ReadonlySet<string>, revision: RevisionForPush): Delta | undefined {
    if (this.#whole.get(revision.id) === revision.revId) return undefined
    return deltaTo(revision, known, this.options.target.collection, this.options.shadows ? withShadowAttachments : asStored)
  }

  /** 8. The peer could make nothing of the delta: the revision goes out once more, at once and whole. */
  #sendWhole(item: PushItem, revId: string): void {
    if (this.#whole.size >= MAX_WHOLE) this.#whole.clear()
    this.#whole.set(item.id, revId)
    this.#queue.splice(this.#head, 0, item)
    this.options.again()
  }

  #properties(item: PushItem, revision: RevisionForPush, replaced: boolean, deltaSource: string | undefined): OutgoingProperties {
    const { index, maxHistory } = this.options
    const { active, versioning } = this.#context
    const closed = active ? this.#closedBranch(item, revision) : undefined
    if (closed !== undefined) item.endsBranch = true
    return {
      collection: index === undefined ? undefined : String(index),
      id: item.id,
      rev: revision.revId,
      sequence: String(item.sequence),
      deleted: revision.deleted ? '1' : undefined,
      history: revision.history.length > 0 ? versioning.formatHistory(revision, item.known, maxHistory) : undefined,
      noconflicts: active && closed === undefined ? '1' : undefined,
      deleted_branch: closed === undefined ? undefined : `${closed},${item.parentRevId}`,
      replacedRev: replaced ? item.revId : undefined,
      deltaSrc: deltaSource
    }
  }

  /** 8. The tombstone on the peer's branch, when a conflict was resolved against it and no history can contain it. */
  #closedBranch(item: PushItem, revision: RevisionForPush): string | undefined {
    const { parentRevId } = item
    return !this.#context.versioning.branches || parentRevId === '' || revision.history.includes(parentRevId)
      ? undefined
      : this.options.target.collection.closingTombstone(item.id, parentRevId)
  }

  #sendNorev(item: PushItem, error: string, outcome: SendOutcome): void {
    this.#context.blip.request({
      profile: 'norev',
      properties: withCollection(this.options.index, {
        id: item.id,
        rev: item.revId,
        sequence: String(item.sequence),
        error
      }),
      noReply: true
    })
    this.#end(item, outcome)
  }

  #end(item: PushItem, outcome: SendOutcome): void {
    if (this.#sending.get(item.id) === item) this.#sending.delete(item.id)
    if (item.held !== undefined) for (const held of item.held) this.#queue.push(held)
    this.#ended(item, outcome)
  }
}

/**
 * Whether a refusal may be owed to the delta: 422 says so, and other peers answer that they do not know the source (404) or cannot read the
 * message (400). Sent whole, the revision gets an answer of its own.
 */
function isForDelta(status: number): boolean {
  return status === UNUSABLE_DELTA || status === 404 || status === 400
}
