import type { BlipPeer, IncomingRequest, Reply } from '@kithmesh/blip'
import type { AllowedAttachments } from './attachments.ts'
import { changesSince, parseFeedSequence, sequenceJson } from './changes-feed.ts'
import type { FeedEntry, FeedSequence } from './changes-feed.ts'
import { GatewayError, generation } from './store.ts'
import type { GatewayStore, GatewayUser } from './store.ts'

export interface ChangesSenderOptions {
  readonly blip: BlipPeer
  readonly store: GatewayStore
  readonly user: GatewayUser
  readonly properties: Record<string, string>
  readonly allowed: AllowedAttachments
  readonly version: number
}

const MAX_BATCHES = 2

/** The pull of one collection: announces, then sends what is wanted (cbmobile.md §5, §6, §8). */
export class ChangesSender {
  readonly #options: ChangesSenderOptions
  #subscription: { continuous: boolean; replaces: boolean; batch: number; select: (since: FeedSequence) => FeedEntry[] } | undefined
  #since: FeedSequence = { seq: 0 }
  #inFlight = 0
  #toldCaughtUp = false
  #unwatch: (() => void) | undefined

  constructor(options: ChangesSenderOptions) {
    this.#options = options
  }

  subscribe(request: IncomingRequest): void {
    if (this.#subscription !== undefined) throw new Error('already has an outstanding subChanges')
    const { store, user } = this.#options
    const { continuous: continuousText, since, filter, channels, batch, activeOnly, revocations, sendReplacementRevs } = request.properties
    // Whatever is not `false` means continuous (cbmobile.md §5).
    const continuous = continuousText !== undefined && continuousText !== 'false'
    const docIds = request.body.length === 0 ? undefined : (JSON.parse(request.body.toString()) as { docIDs?: string[] }).docIDs
    if (docIds !== undefined && continuous) throw new GatewayError(400, 'DocIDs filter not supported for continuous subChanges')
    let only: string[] | undefined
    if (filter === 'sync_gateway/bychannel') {
      only = (channels ?? '').split(',').filter((channel) => channel !== '')
      if (only.length === 0) throw new GatewayError(400, 'Empty channel list')
    } else if (filter !== undefined && filter !== '') throw new GatewayError(400, 'Unknown filter; try sync_gateway/bychannel')
    this.#since = parseFeedSequence(since)
    this.#subscription = {
      continuous,
      // Only the literal counts.
      replaces: sendReplacementRevs === 'true',
      batch: Math.max(10, Number(batch ?? 200)),
      select: (from) =>
        changesSince(store, user, {
          since: from,
          channels: only,
          docIds,
          activeOnly: activeOnly === 'true',
          revocations: revocations === 'true'
        })
    }
    request.respond()
    this.#unwatch = store.watch(() => {
      this.#pump()
    })
    this.#pump()
  }

  stop(): void {
    this.#unwatch?.()
    this.#subscription = undefined
  }

  #pump(): void {
    const subscription = this.#subscription
    if (subscription === undefined || (this.#toldCaughtUp && !subscription.continuous)) return
    while (this.#inFlight < MAX_BATCHES) {
      const batch = subscription.select(this.#since).slice(0, subscription.batch)
      const last = batch.at(-1)
      if (last === undefined) {
        if (!this.#toldCaughtUp) this.#changes(null, true)
        this.#toldCaughtUp = true
        return
      }
      this.#since = last
      this.#inFlight++
      this.#changes(
        batch.map((entry) => this.#row(entry)),
        false,
        (reply) => {
          this.#onReply(batch, reply)
        }
      )
    }
  }

  #row(entry: FeedEntry): unknown[] {
    const row = [sequenceJson(entry), entry.id, entry.revId]
    if (this.#options.version < 3) return (entry.flags & 1) === 0 ? row : [...row, true]
    return entry.flags === 0 ? row : [...row, entry.flags]
  }

  /** The end of the backlog is the JSON literal `null`. */
  #changes(rows: unknown, noReply: boolean, onReply?: (reply: Reply) => void): void {
    const { blip, properties } = this.#options
    blip.request({ profile: 'changes', properties, body: Buffer.from(JSON.stringify(rows)), noReply }, onReply)
  }

  #onReply(batch: readonly FeedEntry[], reply: Reply): void {
    this.#inFlight--
    if (reply.kind !== 'ok') return
    const wanted = reply.body.length === 0 ? [] : (JSON.parse(reply.body.toString()) as unknown[])
    const maxHistory = Number(reply.properties['maxHistory'] ?? 50)
    batch.forEach((entry, index) => {
      const known = wanted[index]
      if (Array.isArray(known)) this.#sendRev(entry, known as string[], maxHistory)
    })
    this.#pump()
  }

  #sendRev(entry: FeedEntry, known: readonly string[], maxHistory: number): void {
    const { blip, store, properties, allowed, user } = this.#options
    const { id } = entry
    const sequence = JSON.stringify(sequenceJson(entry))
    const document = store.documents.get(id)
    let revision = document?.revisions.get(entry.revId)
    const mayReplace = this.#subscription?.replaces === true && document !== undefined && user.sees(document)
    if (revision?.body === undefined && mayReplace) revision = store.currentOf(id)
    if (revision?.body === undefined) {
      blip.request({
        profile: 'norev',
        properties: { ...properties, id, rev: entry.revId, sequence, error: '404', reason: 'missing' },
        noReply: true
      })
      return
    }
    const all = store.history(id, revision.revId)
    const end = all.findIndex((ancestor) => known.includes(ancestor))
    const history = all.slice(0, Math.min(end < 0 ? all.length : end + 1, maxHistory))
    const { attachments, body, deleted, revId } = revision
    const hasAttachments = Object.keys(attachments).length > 0
    if (hasAttachments) allowed.allow(id, attachments, 1)
    blip.request(
      {
        profile: 'rev',
        properties: {
          ...properties,
          id,
          rev: revId,
          sequence,
          ...(history.length > 0 && { history: history.join(',') }),
          ...(deleted && { deleted: '1' }),
          ...(revId !== entry.revId && { replacedRev: entry.revId })
        },
        body: Buffer.from(JSON.stringify(hasAttachments ? { ...body, _attachments: attachments } : body)),
        // No reply unless it is needed.
        noReply: !hasAttachments
      },
      hasAttachments
        ? () => {
            allowed.allow(id, attachments, -1)
          }
        : undefined
    )
    if (generation(revId) < generation(entry.revId)) throw new Error('A replacement is newer than what it replaces')
  }
}
