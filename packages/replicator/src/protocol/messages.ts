import type { IncomingMessage, Properties } from '@kithmesh/blip'
import type { Versioning } from './versioning.ts'

/** A message that cannot be taken: what to answer (cbmobile.md §4–§9), and what is wrong. */
export class MessageError extends Error {
  readonly domain: 'BLIP' | 'HTTP' | 'LiteCore'
  readonly status: number

  constructor(domain: 'BLIP' | 'HTTP' | 'LiteCore', status: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.domain = domain
    this.status = status
  }
}

const bad = (message: string, cause?: unknown): MessageError =>
  new MessageError('BLIP', 400, message, cause === undefined ? undefined : { cause })

/** Booleans as peers write them: `true`, `YES`, non-zero integers (blip.md §4). */
export function isTrue(text: string | undefined): boolean {
  if (text === undefined) return false
  if (text === '1' || text === 'true') return true
  return /^(true|yes)$/i.test(text) || (/^-?\d+$/.test(text) && Number(text) !== 0)
}

export function parseJson(body: Buffer, what: string): unknown {
  try {
    return JSON.parse(body.toString())
  } catch (cause) {
    throw bad(`Invalid JSON body in ${what}`, cause)
  }
}

/** 5. The peer's database names revisions in the other way than ours. */
export const incompatibleVersioning = (): MessageError => new MessageError('LiteCore', 501, 'Incompatible document versioning.')

const LEADING_ID_BYTES = 255

/** Whether a document id may come in a list: 1–255 bytes (cbmobile.md §6). */
function isDocumentId(id: unknown): id is string {
  return typeof id === 'string' && id !== '' && (id.length <= 85 || Buffer.byteLength(id) <= LEADING_ID_BYTES)
}

// ---- getCollections, checkpoints (cbmobile.md §2, §4)

export interface GetCollections {
  readonly checkpointIds: readonly string[]
  readonly collections: readonly string[]
}

export function parseGetCollections(message: IncomingMessage): GetCollections {
  const invalid = (why: string): MessageError => bad(`Invalid getCollections message: ${why}`)
  const root = parseJson(message.body, 'getCollections')
  if (typeof root !== 'object' || root === null || Array.isArray(root)) throw invalid('no dictionary')
  const { checkpoint_ids: ids, collections } = root as Record<string, unknown>
  if (!Array.isArray(ids) || !ids.every((id) => typeof id === 'string' && id !== '')) throw invalid('no checkpoint_ids')
  if (!Array.isArray(collections) || collections.length === 0) throw invalid('no collections')
  if (!collections.every((path) => typeof path === 'string' && path !== '')) throw invalid('empty collection path')
  if (ids.length !== collections.length) throw invalid('mismatched checkpoint_ids and collections')
  if (collections.length > 1000) throw invalid('too many collections')
  if (new Set(collections).size !== collections.length) throw invalid('duplicate collection path')
  return { checkpointIds: ids as string[], collections: collections as string[] }
}

export function encodeGetCollections(message: GetCollections): Buffer {
  return Buffer.from(JSON.stringify({ checkpoint_ids: message.checkpointIds, collections: message.collections }))
}

/** The client's checkpoint id of `getCheckpoint` and `setCheckpoint`. */
export function parseCheckpointClient(properties: Properties): string {
  const client = properties['client']
  if (client === undefined || client === '' || client.length > 1000) throw bad('missing checkpoint ID')
  return client
}

// ---- subChanges (cbmobile.md §5)

export interface SubChanges {
  readonly since: number
  readonly continuous: boolean
  readonly activeOnly: boolean
  readonly sendReplacementRevs: boolean
  readonly docIds: readonly string[] | undefined
}

/** Reads a subscription as a passive Couchbase Lite does: integer `since`, no filters. */
export function parseSubChanges(message: IncomingMessage): SubChanges {
  const { since: sinceText, continuous, activeOnly, sendReplacementRevs, filter } = message.properties
  const since = sinceText === undefined || sinceText === '' ? 0 : Number(sinceText)
  if (!Number.isSafeInteger(since) || since < 0) throw bad(`subChanges since "${sinceText ?? ''}" is no sequence of this database`)
  if (filter !== undefined && filter !== '') throw new MessageError('HTTP', 501, 'Filtering not supported')
  let docIds: string[] | undefined
  if (message.body.length > 0) {
    const root = parseJson(message.body, 'subChanges')
    const ids: unknown = typeof root === 'object' && root !== null ? (root as Record<string, unknown>)['docIDs'] : undefined
    if (ids !== undefined) {
      if (!Array.isArray(ids) || !ids.every(isDocumentId)) throw bad('docIDs of subChanges is no array of document ids')
      docIds = ids
    }
  }
  return { since, continuous: isTrue(continuous), activeOnly: isTrue(activeOnly), sendReplacementRevs: isTrue(sendReplacementRevs), docIds }
}

// ---- changes and proposeChanges (cbmobile.md §6, §7)

export interface IncomingChange {
  /** JSON text. */
  readonly sequence: string
  readonly id: string
  readonly revId: string
  /** 1 deleted, 2 access revoked, 4 removed from channel. */
  readonly flags: number
  readonly bodySize: number
}

function isSequence(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function invalidRevId(text: unknown, versioning: Versioning, message: string): MessageError {
  return typeof text === 'string' && versioning.isForeign(text) ? incompatibleVersioning() : bad(message)
}

function parseList(body: Buffer, profile: string, maxEntries: number): unknown[] {
  const root = body.length === 0 ? [] : parseJson(body, profile)
  if (root === null) return []
  if (!Array.isArray(root)) throw bad(`Invalid JSON body in ${profile}: no array`)
  if (root.length > maxEntries) throw bad(`${profile} has ${root.length} entries, more than ${maxEntries}`)
  return root
}

/** Reads a list of announced changes; the JSON literal `null` counts as the empty list, as Sync Gateway sends it. */
export function parseChanges(message: IncomingMessage, versioning: Versioning, maxEntries: number): IncomingChange[] {
  return parseList(message.body, 'changes', maxEntries).map((entry, index) => {
    if (!Array.isArray(entry) || entry.length < 3) throw bad(`changes entry ${index} is no array of at least three`)
    const [sequence, id, named, flags, bodySize] = entry as unknown[]
    // A larger number was rounded when it was read: the checkpoint would name another sequence than the peer did.
    if (typeof sequence !== 'string' && !isSequence(sequence)) throw bad(`changes entry ${index} has no sequence`)
    if (!isDocumentId(id)) throw bad(`changes entry ${index} has an invalid document ID`)
    const revId = typeof named === 'string' ? versioning.revIdOf(named) : undefined
    if (revId === undefined) throw invalidRevId(named, versioning, `changes entry ${index} has an invalid revision ID`)
    return {
      sequence: typeof sequence === 'string' ? JSON.stringify(sequence) : String(sequence),
      id,
      revId,
      flags: typeof flags === 'number' ? flags & 7 : flags === true ? 1 : 0,
      bodySize: typeof bodySize === 'number' && bodySize >= 0 ? bodySize : 0
    }
  })
}

export interface OutgoingChange {
  readonly sequence: number
  readonly id: string
  readonly revId: string
  readonly deleted: boolean
  readonly bodySize: number
}

/** `legacy`: deletions as booleans instead of flags, as `CBMobile_2` has them. */
export function encodeChanges(entries: readonly OutgoingChange[], legacy = false): Buffer {
  return Buffer.from(JSON.stringify(entries.map((e) => [e.sequence, e.id, e.revId, legacy ? e.deleted : e.deleted ? 1 : 0, e.bodySize])))
}

export interface IncomingProposal {
  readonly id: string
  /** This and the next may be whole vectors. */
  readonly revId: string
  /** Empty when unknown. */
  readonly parentRevId: string
  readonly bodySize: number
}

export function parseProposals(message: IncomingMessage, versioning: Versioning, maxEntries: number): IncomingProposal[] {
  return parseList(message.body, 'proposeChanges', maxEntries).map((entry, index) => {
    if (!Array.isArray(entry) || entry.length < 2) throw bad(`proposeChanges entry ${index} is no array of at least two`)
    const [id, revId, parent, bodySize] = entry as unknown[]
    if (!isDocumentId(id)) throw bad(`proposeChanges entry ${index} has an invalid document ID`)
    if (typeof revId !== 'string' || versioning.revIdOf(revId) === undefined)
      throw invalidRevId(revId, versioning, `proposeChanges entry ${index} has an invalid revision ID`)
    const parentRevId = parent ?? ''
    if (typeof parentRevId !== 'string' || (parentRevId !== '' && versioning.revIdOf(parentRevId) === undefined))
      throw invalidRevId(parentRevId, versioning, `proposeChanges entry ${index} has an invalid parent revision ID`)
    return {
      id,
      revId,
      parentRevId,
      bodySize: typeof bodySize === 'number' && bodySize >= 0 ? bodySize : 0
    }
  })
}

export function encodeProposals(entries: readonly (OutgoingChange & { readonly parentRevId: string })[]): Buffer {
  return Buffer.from(JSON.stringify(entries.map((e) => [e.id, e.revId, e.parentRevId, e.bodySize])))
}

/** Body of an answer to a list: trailing zeros are left out, so `[]` accepts all proposals or wants no change. */
export function encodeListReply(entries: readonly unknown[]): Buffer {
  let end = entries.length
  while (end > 0 && entries[end - 1] === 0) end--
  return Buffer.from(JSON.stringify(end === entries.length ? entries : entries.slice(0, end)))
}

/** An answer to `changes`: per entry the ancestors the peer has when it wants the revision, 409 when it refuses, 0 when not wanted. */
export function parseChangesReply(body: Buffer, count: number): (readonly string[] | number)[] {
  const root = parseReplyArray(body, count)
  return root.map((entry) =>
    Array.isArray(entry) ? entry.filter((rev): rev is string => typeof rev === 'string') : typeof entry === 'number' ? entry : 0
  )
}

export interface ProposalStatus {
  readonly status: number
  /** The peer's current revision, with a 409. */
  readonly rev: string | undefined
}

const ACCEPTED: ProposalStatus = { status: 0, rev: undefined }

/** An answer to `proposeChanges`; entries left out are accepted. */
export function parseProposalsReply(body: Buffer, count: number): ProposalStatus[] {
  const root = parseReplyArray(body, count)
  const result: ProposalStatus[] = []
  for (let i = 0; i < count; i++) {
    const entry = root[i]
    if (entry === undefined || entry === null || entry === 0) result.push(ACCEPTED)
    else if (typeof entry === 'number') result.push({ status: entry, rev: undefined })
    else {
      const { status, rev } = entry as Record<string, unknown>
      result.push({ status: typeof status === 'number' ? status : 500, rev: typeof rev === 'string' ? rev : undefined })
    }
  }
  return result
}

function parseReplyArray(body: Buffer, count: number): unknown[] {
  if (body.length === 0) return []
  const root = parseJson(body, 'the answer to a list')
  if (!Array.isArray(root)) throw bad('The answer to a list is no array')
  if (root.length > count) throw bad(`The answer to a list of ${count} has ${root.length} entries`)
  return root
}

// ---- rev and norev (cbmobile.md §8)

export interface IncomingRev {
  readonly id: string
  readonly revId: string
  readonly deleted: boolean
  readonly history: readonly string[]
  /** Vectors: how many of the first of `history` are merge versions. */
  readonly merges: number
  /** JSON text; absent from an active pusher of another make. */
  readonly sequence: string | undefined
  readonly noConflicts: boolean
  /** The body is a delta from this revision. */
  readonly deltaSource: string | undefined
  /** Tombstone with which the sender ended the branch that is current here. */
  readonly deletedBranch: string | undefined
}

/** Reads the properties of `rev`; errors are of this one document (`HTTP`/400). */
export function parseRev(properties: Properties, versioning: Versioning): IncomingRev {
  const { id, rev, deleted, history: historyText, sequence, noconflicts, deltaSrc, deleted_branch: branch } = properties
  const invalid = (message: string): MessageError => new MessageError('HTTP', 400, message)
  if (!isDocumentId(id)) throw invalid('rev has an invalid document ID')
  if (rev === undefined || versioning.revIdOf(rev) !== rev) throw invalid('rev has an invalid revision ID')
  const ancestry = versioning.parseHistory(rev, historyText)
  if (ancestry === undefined) throw invalid('rev has an invalid history')
  const source = deltaSrc === '' ? undefined : deltaSrc
  if (source !== undefined && versioning.revIdOf(source) !== source) throw invalid('rev has an invalid deltaSrc')
  // The tombstone, followed by the revision it ends.
  const deletedBranch = versioning.branches ? branch?.split(',', 1)[0] : undefined
  if (deletedBranch !== undefined && versioning.revIdOf(deletedBranch) === undefined) throw invalid('rev has an invalid deleted_branch')
  return {
    id,
    revId: rev,
    deletedBranch,
    deltaSource: source,
    deleted: deleted !== undefined && deleted !== '0' && deleted !== 'false' && deleted !== '',
    history: ancestry.history,
    merges: ancestry.merges,
    sequence,
    noConflicts: isTrue(noconflicts)
  }
}
