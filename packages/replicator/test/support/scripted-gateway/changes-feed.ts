import type { GatewayDocument, GatewayStore, GatewayUser } from './store.ts'

/** `Seq` or `TriggeredBy:Seq` (cbmobile.md §4). */
export interface FeedSequence {
  readonly seq: number
  readonly triggeredBy?: number
}

export interface FeedEntry extends FeedSequence {
  readonly id: string
  readonly revId: string
  /** 1 deleted, 2 revoked, 4 removed. */
  readonly flags: number
}

export interface FeedOptions {
  readonly since: FeedSequence
  readonly channels: readonly string[] | undefined
  readonly docIds: readonly string[] | undefined
  readonly activeOnly: boolean
  readonly revocations: boolean
}

/** The JSON of a sequence: simple ones are numbers, compound ones strings. */
export function sequenceJson({ seq, triggeredBy }: FeedSequence): number | string {
  return triggeredBy === undefined ? seq : `${triggeredBy}:${seq}`
}

export function parseFeedSequence(json: string | undefined): FeedSequence {
  if (json === undefined || json === '') return { seq: 0 }
  const value = JSON.parse(json) as unknown
  if (typeof value === 'number') return { seq: value }
  if (typeof value !== 'string') throw new Error(`Not a sequence: ${json}`)
  const parts = value.split(':').map(Number)
  return parts.length === 1 ? { seq: parts[0] as number } : { triggeredBy: parts[0] as number, seq: parts.at(-1) as number }
}

/** Back-fill of a grant or revocation precedes the sequence of that event. */
function compare(a: FeedSequence, b: FeedSequence): number {
  const first = (a.triggeredBy ?? a.seq) - (b.triggeredBy ?? b.seq)
  if (first !== 0) return first
  return (a.triggeredBy === undefined ? Infinity : a.seq) - (b.triggeredBy === undefined ? Infinity : b.seq) || 0
}

/** What a user has to hear of since a sequence, in order. */
export function changesSince(store: GatewayStore, user: GatewayUser, options: FeedOptions): FeedEntry[] {
  const entries: FeedEntry[] = []
  for (const document of store.documents.values()) {
    if (options.docIds?.includes(document.id) === false) continue
    const entry = entryOf(store, user, document, options)
    if (entry !== undefined && compare(entry, options.since) > 0 && !(options.activeOnly && (entry.flags & 1) !== 0)) entries.push(entry)
  }
  return entries.sort(compare)
}

function entryOf(store: GatewayStore, user: GatewayUser, document: GatewayDocument, options: FeedOptions): FeedEntry | undefined {
  const { id, sequence, current } = document
  const deleted = store.currentOf(id)?.deleted === true ? 1 : 0
  const wanted = (channel: string): boolean => options.channels?.includes(channel) !== false
  const granted = [...document.channels].filter(wanted).flatMap((channel) => user.grantedAt(channel) ?? [])
  if (granted.length > 0) {
    const since = Math.min(...granted)
    return { id, revId: current, flags: deleted, seq: sequence, ...(since > sequence && { triggeredBy: since }) }
  }
  const left = [...document.left].filter(([channel]) => wanted(channel) && user.grantedAt(channel) !== undefined)
  // Told before, it may be told again for another reason.
  if (left.length > 0 && !user.sees(document) && compare({ seq: sequence }, options.since) > 0)
    return deleted === 0 && !options.revocations ? undefined : { id, revId: current, flags: 4 | deleted, seq: sequence }
  // Somebody who starts from nothing had nothing to lose.
  if (!options.revocations || (options.since.triggeredBy ?? options.since.seq) === 0 || user.sees(document)) return undefined
  const revoked = [...document.channels, ...document.left.keys()].flatMap((channel) => {
    const change = user.history.get(channel)
    return wanted(channel) && change?.granted === false ? change.sequence : []
  })
  return revoked.length === 0 ? undefined : { id, revId: current, flags: 2 | deleted, seq: sequence, triggeredBy: Math.max(...revoked) }
}
