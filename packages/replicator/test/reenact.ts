import type { Properties } from '@kithmesh/blip'
import { eventually } from '@kithmesh/testkit'
import { checkpointId } from '../dist/protocol/checkpointer.js'
import { BlipPair } from './support/blip-pair.ts'
import type { Seen } from './support/blip-pair.ts'
import { MemoryStore } from './support/memory-store.ts'
import { VectorMemoryStore } from './support/vector-memory-store.ts'
import { recordedDatabase } from './support/recorded-store.ts'
import type { RecordedCollection, RecordedStore } from './support/recorded-store.ts'
import { vectorVersioning } from '../dist/protocol/vector-versioning.js'
import { activeSession, passiveSession } from './support/sessions.ts'
import type { Running } from './support/sessions.ts'
import { recordedBodies } from './traces/recorded-bodies.ts'
import { decodeTraceMessages } from './traces/trace-messages.ts'
import type { TraceMessage } from './traces/trace-messages.ts'
import { readTraceConnections } from './traces/trace-file.ts'

/** What one side said, comparable: recorded and ours. */
export interface Reenactment {
  readonly recorded: readonly string[]
  readonly ours: readonly string[]
  readonly store: RecordedStore
  /** Requests of ours without a recorded counterpart. */
  readonly extra: readonly Seen[]
  readonly session: Running
}

type Json = string | number | boolean | null | Json[] | { [key: string]: Json }
const json = (body: Buffer): Json => (body.length === 0 ? null : (JSON.parse(body.toString()) as Json))

const paths = (trace: readonly TraceMessage[]): string[] => (json((trace[0] as TraceMessage).body) as { collections: string[] }).collections
const profileOf = (message: { readonly properties: Properties; readonly profile?: string }): string =>
  message.profile ?? message.properties['Profile'] ?? ''

/** Requests of one direction, with their answers from the other. */
class Half {
  readonly requests: readonly TraceMessage[]
  readonly replies = new Map<number, TraceMessage>()
  constructor(trace: readonly TraceMessage[], direction: 'A>B' | 'B>A') {
    this.requests = trace.filter((m) => m.direction === direction && m.type === 'REQ').sort((a, b) => a.number - b.number)
    for (const m of trace) if (m.direction !== direction && m.type !== 'REQ') this.replies.set(m.number, m)
  }

  of(profile: string): TraceMessage[] {
    return this.requests.filter((m) => profileOf(m) === profile)
  }
}

const ENTRY_SIZE_AT = { changes: 4, proposeChanges: 3 } as const

/** A message as text, without what may differ: ids of checkpoints and databases, times, size estimates, ways to write true, our own words. */
function normal(message: { readonly properties: Properties; readonly body: Buffer }, profile: string, type: string): string {
  const properties: Record<string, string> = {}
  for (const [key, value] of Object.entries(message.properties)) {
    if (['Profile', 'uuid', 'client', 'noop', 'Error-Domain', 'endsBranches', 'unproposed', 'takesDeltas'].includes(key)) continue
    if (profile === 'setCheckpoint' && key === 'rev') continue
    properties[key] =
      /^(true|1)$/.test(value) &&
      ['sendReplacementRevs', 'continuous', 'noconflicts', 'conflictIncludesRev', 'blobs', 'deltas'].includes(key)
        ? 'true'
        : value
  }
  let body: Json | string = message.body.length > 0 && type === 'ERR' ? '(text)' : ''
  if (type !== 'ERR' && message.body.length > 0) {
    if (profile === 'getAttachment') body = `${message.body.length} bytes`
    else if (profile === 'rev') body = message.body.toString()
    else body = stripped(profile, type, json(message.body))
  }
  const sorted = Object.fromEntries(Object.entries(properties).sort(([a], [b]) => (a < b ? -1 : 1)))
  return `${type} ${profile} ${JSON.stringify(sorted)} ${typeof body === 'string' ? body : JSON.stringify(body)}`.trimEnd()
}

function stripped(profile: string, type: string, body: Json): Json {
  if (profile === 'getCollections') {
    if (type === 'RES') return (body as (null | Record<string, Json>)[]).map((entry) => (entry === null ? null : withoutTime(entry)))
    return { collections: (body as { collections: Json }).collections }
  }
  if (profile === 'setCheckpoint' || profile === 'getCheckpoint') return withoutTime(body as Record<string, Json>)
  if (type === 'REQ' && (profile === 'changes' || profile === 'proposeChanges')) {
    return (body as Json[][]).map((entry) => {
      const short = entry.slice(0, ENTRY_SIZE_AT[profile])
      if (profile === 'changes') short[3] = Number(short[3] ?? 0)
      // Of vectors Couchbase Lite tells the current version or, when it just heard of the change, everything.
      return short.map((part) => (typeof part === 'string' ? (part.split(';')[0] as string) : part))
    })
  }
  // Of a document in a vector database Couchbase Lite has its own revision and those that it keeps of peers, as bases of deltas.
  if (type === 'RES' && profile === 'changes')
    return (body as Json[]).map((known) => (Array.isArray(known) && String(known[0]).includes('@') ? known.slice(0, 1) : known))
  return body
}

function withoutTime(body: Record<string, Json>): Json {
  const rest = Object.entries(body)
    .filter(([key]) => key !== 'time' && key !== 'rev' && key !== '_rev')
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(rest)
}

const isEmptyList = (m: { readonly body: Buffer; readonly noReply?: boolean }): boolean => m.noReply === true && m.body.toString() === '[]'

/** One side's requests that count, in order, and answers beside the requests they belong to. */
function said(
  requests: readonly { readonly properties: Properties; readonly body: Buffer; readonly profile?: string; readonly noReply?: boolean }[]
): string[] {
  const lines: string[] = []
  let caughtUp = false
  for (const message of requests) {
    const profile = profileOf(message)
    if (profile === 'setCheckpoint' || (profile === 'proposeChanges' && isEmptyList(message))) continue
    // How often a caught-up marker is repeated is a matter of taste.
    if (profile === 'changes' && isEmptyList(message)) {
      caughtUp = true
      continue
    }
    lines.push(normal(message, profile, 'REQ'))
  }
  const byKind = ['getCollections', 'subChanges', 'changes', 'proposeChanges', 'getAttachment', 'rev', 'norev']
  // Lists and revisions interleave as flow allows; each kind keeps its order.
  const kind = (line: string): number => byKind.indexOf(line.split(' ')[1] ?? '')
  lines.sort((a, b) => kind(a) - kind(b))
  if (caughtUp) lines.push('REQ changes [] (caught up)')
  return lines
}

function seedRevisions(
  store: RecordedStore,
  entries: readonly {
    collection: number
    id: string
    revId: string
    sequence: number | undefined
    history: readonly string[]
    body: Buffer
    deleted: boolean
  }[],
  collections: readonly string[]
): void {
  const sorted = [...entries].sort((a, b) => (a.sequence ?? 0) - (b.sequence ?? 0))
  for (const { collection: index, id, revId, sequence, history, body, deleted } of sorted) {
    const collection = collectionAt(store, collections, index)
    collection.keepBases?.({ takesDeltas: true })
    if (sequence !== undefined) collection.setSequence(sequence - 1)
    collection.insertRevisions([{ id, revId, history, body, deleted, hasBlobs: false, onConflict: 'refuse' }])
  }
}

function collectionAt(store: RecordedStore, collections: readonly string[], index: number): RecordedCollection {
  const path = collections[index] ?? '_default'
  const [scope, name] = path.includes('.') ? (path.split('.') as [string, string]) : ['_default', path]
  const collection = store.collection(scope, name)
  if (collection === undefined) throw new Error(`no collection ${path}`)
  return collection
}

/** A revision as the recording shows it being sent. */
function revOf(
  m: TraceMessage,
  fullBodies: ReadonlyMap<string, Buffer>
): {
  collection: number
  id: string
  revId: string
  sequence: number
  history: readonly string[]
  merges: number
  body: Buffer
  deleted: boolean
  deletedBranch: string[] | undefined
} {
  const { properties: p } = m
  return {
    collection: Number(p['collection'] ?? 0),
    id: p['id'] ?? '',
    revId: p['rev'] ?? '',
    sequence: Number(p['sequence']),
    ...historyOf(p),
    body: p['deltaSrc'] === undefined ? m.body : (fullBodies.get(p['rev'] ?? '') ?? Buffer.from('{}')),
    deleted: p['deleted'] === '1',
    deletedBranch: p['deleted_branch']?.split(',')
  }
}

function historyOf({ rev = '', history = '' }: Properties): { history: readonly string[]; merges: number } {
  const vector = rev.includes('@') ? vectorVersioning.parseHistory(rev, history) : undefined
  return vector ?? { history: history.split(',').filter((part) => part !== ''), merges: 0 }
}

/**
 * Re-enacts a recording with our code in the place of one side, and the recording's other half as the peer.
 * Comparable lines of both are returned; the caller asserts.
 */
export async function reenact(name: string, side: 'A' | 'B', on: 'memory' | 'database' = 'memory'): Promise<Reenactment> {
  const connection = readTraceConnections(name)[0]
  if (connection === undefined) throw new Error(`${name} has no connection`)
  const trace = decodeTraceMessages(connection)
  const ownDirection = side === 'A' ? 'A>B' : 'B>A'
  const own = new Half(trace, ownDirection)
  const peer = new Half(trace, side === 'A' ? 'B>A' : 'A>B')
  const collections = paths(trace)
  const subs = trace.find((m) => profileOf(m) === 'subChanges')
  const live = subs?.properties['continuous'] !== undefined
  const checkpoints = (side === 'A' ? own : peer).replies.get(1)
  const checkpointEntries = json((checkpoints as TraceMessage).body) as (Record<string, Json> | null)[]
  const vectors = connection.protocol.endsWith('_4')
  const existing = side === 'B' ? collections.filter((_, i) => checkpointEntries[i] !== null) : collections
  const store =
    on === 'database'
      ? await recordedDatabase(existing, vectors ? 'version-vectors' : 'rev-trees')
      : new (vectors ? VectorMemoryStore : MemoryStore)(existing)
  const ids = (json((trace[0] as TraceMessage).body) as { checkpoint_ids: string[] }).checkpoint_ids

  // Seeds: what this side must have had to say what it said.
  const bodies = recordedBodies(name)
  const ownRevs = own.of('rev').map((m) => revOf(m, bodies))
  const upTo = side === 'A' ? Number(checkpointEntries[0]?.['local'] ?? 0) : 0
  if (!live) {
    const sequels = new Set(own.of('rev').flatMap((m) => (m.properties['deltaSrc'] === undefined ? [] : [m.properties['rev']])))
    const fresh = new Set(
      ownRevs
        .filter(({ history, revId, deletedBranch }) => (history.length === 0 && !sequels.has(revId)) || deletedBranch !== undefined)
        .map(({ id }) => id)
    )
    seedRevisions(
      store,
      seedParents(own, peer, side, bodies).filter(({ id }) => !fresh.has(id)),
      collections
    )
    seedRevisions(store, side === 'A' ? [...ownRevs, ...unsentProposals(own, ownRevs, upTo)] : ownRevs, collections)
    for (const { id, collection, deletedBranch } of ownRevs) {
      // The conflict was resolved before the recording: the rival's branch is there, ended.
      for (const revId of deletedBranch ?? [])
        (collectionAt(store, collections, collection) as MemoryStore['default']).docs
          .get(id)
          ?.revs.set(revId, { parent: undefined, deleted: true, body: Buffer.from('{}') })
    }
  }
  for (const m of peer.of('getAttachment')) {
    const bytes = peer.replies.get(m.number)?.body
    if (bytes !== undefined) await store.putBlob(bytes)
  }

  // Whether the recorded side had deltas on: it says so in its first answer to a list.
  const listAnswers = [...peer.replies.values()].filter((m) => m.properties['blobs'] !== undefined)
  const deltas = listAnswers.length === 0 || listAnswers.some((m) => m.properties['deltas'] !== undefined)
  const pair = new BlipPair()
  const us = side === 'A' ? pair.a : pair.b
  const them = side === 'A' ? pair.b : pair.a
  const session =
    side === 'A' ? activeSession(us, store, { ...settingsOf(trace, collections, store), deltas }) : passiveSession(us, store, { deltas })
  prepareCheckpoints(side, store, collections, checkpointEntries, ids, trace)

  // The peer's answers: the recorded ones, k-th of a profile to the k-th; anything else gets a plausible one.
  const extra: Seen[] = []
  const counts = new Map<string, number>()
  const matched = new Map<number, number>()
  for (const profile of [
    'getCollections',
    'subChanges',
    'changes',
    'proposeChanges',
    'rev',
    'norev',
    'getAttachment',
    'setCheckpoint',
    'getCheckpoint'
  ]) {
    const recorded = own.of(profile).filter((m) => !isEmptyList(m))
    them.handle(profile, (request) => {
      if (isEmptyList(request)) return
      const key = profile === 'rev' ? `rev ${request.properties['id'] ?? ''} ${request.properties['rev'] ?? ''}` : profile
      const k = counts.get(key) ?? 0
      counts.set(key, k + 1)
      const match =
        profile === 'rev'
          ? recorded.find((m) => m.properties['id'] === request.properties['id'] && m.properties['rev'] === request.properties['rev'])
          : recorded[k]
      const reply = match === undefined ? undefined : own.replies.get(match.number)
      if (match !== undefined) matched.set(match.number, request.number)
      if (reply === undefined) {
        extra.push({ dir: ownDirection, number: request.number, type: 'REQ', profile, properties: request.properties, body: request.body })
        if (profile === 'setCheckpoint') request.respond({ properties: { rev: '99-cc' } })
        else request.respond({ body: Buffer.from(profile === 'changes' || profile === 'proposeChanges' ? '[]' : '') })
      } else if (reply.type === 'ERR')
        request.respondError(reply.properties['Error-Domain'] ?? 'BLIP', Number(reply.properties['Error-Code']), reply.body.toString())
      else request.respond({ properties: reply.properties, body: reply.body })
    })
  }

  if (side === 'A') session.session.start()
  // The script: everything the peer said by itself, in order, after what it had heard before.
  const ourNumbers = new Map<number, number>()
  let sent = 0
  for (const m of trace) {
    if (m.direction === ownDirection && m.type === 'REQ') {
      const profile = profileOf(m)
      if (profile === 'setCheckpoint' || isEmptyList(m)) continue
      if (live && (profile === 'changes' || profile === 'proposeChanges')) edit(store, m, profile, ownRevs, collections)
      await eventually(
        `${name} as ${side}: our ${profile} (recorded #${m.number})`,
        () => matched.has(m.number) || session.result !== undefined
      )
    } else if (m.direction === ownDirection) {
      const request = peer.requests.find((r) => r.number === m.number)
      // Replies to revisions come after commits, which are ours to group.
      if (request !== undefined && (live || profileOf(request) !== 'rev')) {
        const number = ourNumbers.get(m.number)
        await eventually(`${name} as ${side}: our answer to ${profileOf(request)}`, () =>
          pair.seen.some((s) => s.dir === ownDirection && s.type !== 'REQ' && s.number === number)
        )
      }
    } else if (m.type === 'REQ') {
      ourNumbers.set(m.number, ++sent)
      const { Profile: profile, ...properties } = m.properties
      them.request({ profile: profile ?? '', properties, body: m.body, noReply: m.noReply }, m.noReply ? undefined : () => {})
    }
  }
  const answers = peer.requests.filter((m) => !m.noReply).length
  await eventually(
    `${name} as ${side}: all our answers`,
    () => pair.seen.filter((s) => s.dir === ownDirection && s.type !== 'REQ').length >= answers
  )
  if (side === 'A') {
    if (live) {
      await eventually('idle', () => session.session.activity === 'idle')
      session.session.stop()
    }
    await session.ended
  } else {
    await eventually(
      `${name} as ${side}: idle`,
      () => session.session.collections.every((collection) => collection.idle) && pair.pending === 0
    )
    them.close(1000)
  }
  await session.ended

  const unmatched = new Set(extra.map(({ number }) => number))
  const seen = pair.seen.filter((m) => m.dir === ownDirection && !(m.type === 'REQ' && unmatched.has(m.number)))
  return {
    recorded: lines(own, peer),
    ours: ourLines(seen, ownDirection, peer, ourNumbers),
    store,
    extra: extra.filter((m) => m.profile !== 'setCheckpoint'),
    session
  }
}

/** Local edits of a live recording happen when the recording announces them. */
function edit(
  store: RecordedStore,
  m: TraceMessage,
  profile: string,
  ownRevs: readonly ReturnType<typeof revOf>[],
  collections: readonly string[]
): void {
  for (const entry of json(m.body) as Json[][]) {
    const [id, revId] = (profile === 'changes' ? entry.slice(1, 3) : entry.slice(0, 2)) as [string, string]
    const rev = ownRevs.find((r) => r.id === id && r.revId === revId.split(';')[0])
    if (rev === undefined) continue
    const { deletedBranch: _, ...revision } = rev
    collectionAt(store, collections, rev.collection).insertRevisions([{ ...revision, hasBlobs: false, onConflict: 'refuse' }])
  }
}

/** Earlier revisions that the recording presupposes: parents in proposals, known ancestors in answers. */
function seedParents(
  own: Half,
  peer: Half,
  side: 'A' | 'B',
  bodies: ReadonlyMap<string, Buffer>
): { collection: number; id: string; revId: string; sequence: undefined; history: string[]; body: Buffer; deleted: boolean }[] {
  const found = new Map<
    string,
    { collection: number; id: string; revId: string; sequence: undefined; history: string[]; body: Buffer; deleted: boolean }
  >()
  const add = (m: TraceMessage, id: string, revs: readonly string[]): void => {
    const [revId, ...history] = revs
    if (revId !== undefined && revId !== '' && !found.has(id))
      found.set(id, {
        collection: Number(m.properties['collection'] ?? 0),
        id,
        revId,
        sequence: undefined,
        history,
        body: bodies.get(revId) ?? Buffer.from('{}'),
        deleted: false
      })
  }
  const proposed = new Set(own.of('proposeChanges').flatMap((m) => (json(m.body) as string[][]).map(([, revId]) => revId)))
  // Ancestors that we said we had, besides our own change.
  for (const m of peer.of('changes')) {
    const answer = peer.replies.get(m.number)
    if (answer === undefined) continue
    const known = json(answer.body) as Json[]
    ;(json(m.body) as Json[][]).forEach((entry, i) => {
      if (Array.isArray(known[i]))
        add(
          m,
          entry[1] as string,
          (known[i] as string[]).filter((rev) => !proposed.has(rev))
        )
    })
  }
  // Sources of the deltas we sent.
  for (const m of own.of('rev')) add(m, m.properties['id'] ?? '', [m.properties['deltaSrc'] ?? ''])
  // Parents that a proposal was accepted upon (passive), or was built upon (active).
  const proposals = side === 'A' ? own : peer
  for (const m of proposals.of('proposeChanges')) {
    const statuses = m.noReply ? [] : (json((proposals.replies.get(m.number) as TraceMessage).body) as Json[])
    ;(json(m.body) as Json[][]).forEach((entry, i) => {
      if (side === 'A' || (statuses[i] ?? 0) === 0) add(m, entry[0] as string, [entry[2] as string])
    })
  }
  return [...found.values()]
}

/** What was proposed and then refused. */
function unsentProposals(own: Half, sent: readonly { id: string }[], upTo: number): Parameters<typeof seedRevisions>[1][number][] {
  return own.of('proposeChanges').flatMap((m) =>
    (json(m.body) as string[][])
      .filter(([id]) => !sent.some((rev) => rev.id === id))
      .map(([id, revId, parent], i) => ({
        collection: Number(m.properties['collection'] ?? 0),
        id: id ?? '',
        revId: revId ?? '',
        sequence: upTo + 1 + i,
        history: parent === undefined || parent === '' ? [] : [parent],
        body: Buffer.from('{}'),
        deleted: false
      }))
  )
}

function settingsOf(
  trace: readonly TraceMessage[],
  collections: readonly string[],
  store: RecordedStore
): Parameters<typeof activeSession>[2] {
  const subs = trace.find((m) => profileOf(m) === 'subChanges')
  const docIds = subs === undefined || subs.body.length === 0 ? undefined : (json(subs.body) as { docIDs: string[] }).docIDs
  return {
    pull: subs !== undefined,
    push: trace.some((m) => profileOf(m) === 'proposeChanges') || subs === undefined,
    continuous: subs?.properties['continuous'] !== undefined,
    remoteUid: 'recorded',
    skipOldTombstones: true,
    collections: collections.map((_, i) => ({ collection: collectionAt(store, collections, i), documentIds: docIds }))
  }
}

function prepareCheckpoints(
  side: 'A' | 'B',
  store: RecordedStore,
  collections: readonly string[],
  entries: readonly (Record<string, Json> | null)[],
  ids: readonly string[],
  trace: readonly TraceMessage[]
): void {
  const settings = side === 'A' ? settingsOf(trace, collections, store) : undefined
  entries.forEach((entry, i) => {
    if (entry === null || entry['rev'] === undefined) return
    const { rev, ...body } = entry
    const bytes = Buffer.from(JSON.stringify(body))
    if (side === 'B') {
      store.peerCheckpoints.set(ids[i] ?? '', { rev: rev as string, body: bytes })
      return
    }
    const target = settings?.collections?.[i]
    const { scope, name } = collectionAt(store, collections, i)
    store.setLocalCheckpoint(
      checkpointId({
        privateUuid: store.privateUuid,
        scope,
        name,
        remoteUid: 'recorded',
        push: settings?.push ?? true,
        pull: settings?.pull ?? true,
        documentIds: target?.documentIds
      }),
      bytes
    )
  })
  if (side === 'B') return
  for (const m of trace) {
    if (m.direction !== 'A>B' || profileOf(m) !== 'proposeChanges') continue
    for (const [id, , parent] of json(m.body) as string[][]) {
      const collection = collectionAt(store, collections, Number(m.properties['collection'] ?? 0))
      if (parent !== undefined && parent !== '' && settings?.continuous !== true)
        collection.setRemoteAncestors(collection.remoteId('recorded'), [{ id: id as string, revId: parent }])
    }
  }
}

function lines(own: Half, peer: Half): string[] {
  const answers: string[] = []
  for (const request of peer.requests) {
    const reply = peer.replies.get(request.number)
    if (reply !== undefined && !request.noReply) answers.push(`to ${request.number}: ${normal(reply, profileOf(request), reply.type)}`)
  }
  return [...said(own.requests), ...answers]
}

function ourLines(seen: readonly Seen[], direction: 'A>B' | 'B>A', peer: Half, ourNumbers: ReadonlyMap<number, number>): string[] {
  const answers: string[] = []
  for (const request of peer.requests) {
    const number = ourNumbers.get(request.number)
    const reply = seen.find((s) => s.dir === direction && s.type !== 'REQ' && s.number === number)
    if (reply !== undefined && !request.noReply) answers.push(`to ${request.number}: ${normal(reply, profileOf(request), reply.type)}`)
  }
  return [...said(seen.filter((s) => s.dir === direction && s.type === 'REQ')), ...answers]
}
