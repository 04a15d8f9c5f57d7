import { createHash, randomUUID } from 'node:crypto'
import type {
  BlobAccess,
  ChangeEntry,
  ConflictResolution,
  ConflictedDocument,
  DeltaPeer,
  DocumentVersioning,
  IncomingRevision,
  InsertOutcome,
  ReplicationCollection,
  ReplicationStore,
  RevisionForPush
} from '@kithmesh/database/replication'
import { KithmeshError } from '@kithmesh/core'

export interface Rev {
  parent: string | undefined
  /** Vectors: what {@link RevisionForPush} calls history and merges. */
  vector?: { readonly history: readonly string[]; readonly merges: number }
  deleted: boolean
  body: Buffer | undefined
}
export interface Doc {
  revs: Map<string, Rev>
  current: string
  rivals: Set<string>
  sequence: number
}

const gen = (revId: string): number => Number(revId.slice(0, revId.indexOf('-')))
const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : typeof value === 'object' && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([k, v]) => [k, sorted(v)])
        )
      : value

export function revIdFor(parent: string | undefined, deleted: boolean, body: Uint8Array): string {
  const canonical = JSON.stringify(sorted(JSON.parse(Buffer.from(body).toString() || '{}')))
  const hash = createHash('sha1')
    .update(Uint8Array.of(parent?.length ?? 0))
    .update(parent ?? '')
    .update(Uint8Array.of(deleted ? 1 : 0))
    .update(canonical)
  return `${parent === undefined ? 1 : gen(parent) + 1}-${hash.digest('hex')}`
}

/** A small replication store in memory, for protocol tests: revision trees, conflicts, blobs. */
export class MemoryStore implements ReplicationStore {
  readonly versioning: DocumentVersioning = 'rev-trees'
  privateUuid: string = randomUUID()
  readonly publicUuid: string = randomUUID()
  protected readonly collections = new Map<string, MemoryCollection>()
  readonly blobs = new MemoryBlobs()
  readonly peerCheckpoints = new Map<string, { rev: string; body: Uint8Array }>()
  readonly localCheckpoints = new Map<string, Uint8Array>()

  constructor(collections: readonly string[] = ['_default']) {
    for (const path of collections) {
      const [scope, name] = path.includes('.') ? (path.split('.') as [string, string]) : ['_default', path]
      this.collections.set(`${scope}.${name}`, this.makeCollection(scope, name))
    }
  }

  protected makeCollection(scope: string, name: string): MemoryCollection {
    return new MemoryCollection(scope, name)
  }
  collection(scope: string, name: string): MemoryCollection | undefined {
    return this.collections.get(`${scope}.${name}`)
  }
  get default(): MemoryCollection {
    return this.collection('_default', '_default') as MemoryCollection
  }
  putBlob(bytes: Buffer): Promise<string> {
    return Promise.resolve(this.blobs.put(bytes))
  }
  getPeerCheckpoint(client: string) {
    return this.peerCheckpoints.get(client)
  }
  setPeerCheckpoint(client: string, rev: string, body: Uint8Array): string | undefined {
    const old = this.peerCheckpoints.get(client)?.rev ?? ''
    if (old !== rev) return undefined
    const next = `${Number.parseInt(old || '0', 10) + 1}-cc`
    this.peerCheckpoints.set(client, { rev: next, body })
    return next
  }

  getLocalCheckpoint(id: string) {
    return this.localCheckpoints.get(id)
  }
  setLocalCheckpoint(id: string, body: Uint8Array | undefined) {
    if (body === undefined) this.localCheckpoints.delete(id)
    else this.localCheckpoints.set(id, body)
  }
}

export class MemoryCollection implements ReplicationCollection {
  readonly scope: string
  readonly name: string
  lastSequence = 0
  readonly docs = new Map<string, Doc>()
  readonly #log: ({ id: string; sequence: number } | undefined)[] = []
  readonly #listeners = new Set<() => void>()
  readonly #remotes: string[] = []
  readonly ancestors = new Map<string, string>()
  /** Of all revisions that were ever current and no deletion. */
  readonly bodies = new Map<string, Uint8Array>()
  transactions = 0
  insertError: Error | undefined

  constructor(scope: string, name: string) {
    this.scope = scope
    this.name = name
  }

  /** An application's edit. */
  put(id: string, body: unknown, deleted = false): string {
    const doc = this.docs.get(id)
    const bytes = Buffer.from(JSON.stringify(body))
    const parent = doc?.current
    const revId = revIdFor(parent, deleted, bytes)
    const to = doc ?? { revs: new Map(), current: revId, rivals: new Set(), sequence: 0 }
    this.docs.set(id, to)
    to.revs.set(revId, { parent, deleted, body: bytes })
    to.current = revId
    this.touch(id, to)
    return revId
  }

  delete(id: string): string {
    return this.put(id, {}, true)
  }
  json(id: string): unknown {
    const doc = this.docs.get(id)
    const rev = doc?.revs.get(doc.current)
    return rev === undefined || rev.deleted ? undefined : JSON.parse((rev.body as Buffer).toString())
  }

  /** What two equal peers have in common. */
  snapshot(): Record<string, string> {
    return Object.fromEntries(
      [...this.docs]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([id, doc]) => [id, `${doc.current}${doc.rivals.size > 0 ? ' in conflict' : ''}`])
    )
  }

  /** Burns sequences, to resemble a recorded database. */
  setSequence(sequence: number): void {
    while (this.lastSequence < sequence) {
      this.lastSequence++
      this.#log.push(undefined)
    }
  }

  protected touch(id: string, doc: Doc): number {
    const { deleted, body } = doc.revs.get(doc.current) as Rev
    if (!deleted && body !== undefined) this.bodies.set(`${id} ${doc.current}`, body)
    if (doc.sequence > 0) this.#log[doc.sequence - 1] = undefined
    doc.sequence = ++this.lastSequence
    this.#log.push({ id, sequence: doc.sequence })
    for (const listener of this.#listeners) setImmediate(listener)
    return doc.sequence
  }

  protected entryOf(id: string, doc: Doc): ChangeEntry {
    const rev = doc.revs.get(doc.current) as Rev
    return {
      id,
      sequence: doc.sequence,
      revId: doc.current,
      deleted: rev.deleted,
      conflicted: doc.rivals.size > 0,
      bodySize: rev.body?.length ?? 0
    }
  }

  changesSince(since: number, limit: number): ChangeEntry[] {
    const result: ChangeEntry[] = []
    for (let i = since; i < this.#log.length && result.length < limit; i++) {
      const logged = this.#log[i]
      if (logged !== undefined) result.push(this.entryOf(logged.id, this.docs.get(logged.id) as Doc))
    }
    return result
  }

  change(id: string) {
    const doc = this.docs.get(id)
    return doc === undefined ? undefined : this.entryOf(id, doc)
  }

  onChanged(listener: () => void) {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  #history(doc: Doc, revId: string): string[] {
    const result: string[] = []
    for (let parent = doc.revs.get(revId)?.parent; parent !== undefined; parent = doc.revs.get(parent)?.parent) result.push(parent)
    return result
  }

  revisions(entries: readonly { readonly id: string }[]) {
    return entries.map(({ id }) => this.revision(id))
  }

  revision(id: string, revId?: string): RevisionForPush | undefined {
    const doc = this.docs.get(id)
    const wanted = revId ?? doc?.current
    if (doc === undefined || wanted === undefined) return undefined
    const rev = doc.revs.get(wanted)
    if (rev?.body === undefined || (wanted !== doc.current && !doc.rivals.has(wanted))) return undefined
    return {
      id,
      revId: wanted,
      sequence: doc.sequence,
      deleted: rev.deleted,
      body: rev.body,
      history: this.#history(doc, wanted),
      hasBlobs: rev.body.includes('"@type":"blob"')
    }
  }

  bodyOf(id: string, revId: string): Uint8Array | undefined {
    return this.bodies.get(`${id} ${revId}`)
  }

  keepBases(_peer: DeltaPeer): void {
    // All bodies are kept here.
  }

  findMissing(entries: readonly { readonly id: string; readonly revId: string }[]): (readonly string[] | 'known')[] {
    return entries.map(({ id, revId }) => {
      const doc = this.docs.get(id)
      if (doc === undefined) return []
      if (doc.revs.has(revId)) return 'known'
      return [...doc.revs.keys()]
        .filter((rev) => gen(rev) < gen(revId))
        .sort((a, b) => gen(b) - gen(a))
        .slice(0, 10)
    })
  }

  checkProposals(
    entries: readonly { readonly id: string; readonly revId: string; readonly parentRevId: string }[]
  ): (0 | 304 | { status: 409; rev: string })[] {
    return entries.map(({ id, revId, parentRevId }) => {
      const doc = this.docs.get(id)
      if (doc === undefined) return 0
      if (doc.revs.has(revId)) return 304
      if (doc.current === parentRevId || (parentRevId === '' && doc.revs.get(doc.current)?.deleted === true)) return 0
      return { status: 409, rev: doc.current }
    })
  }

  insertRevisions(revisions: readonly IncomingRevision[]): InsertOutcome[] {
    this.transactions++
    if (this.insertError !== undefined) throw this.insertError
    return revisions.map((revision) => this.insert(revision))
  }

  protected insert({ id, revId, deleted, history, body, onConflict, remote, deletedBranch }: IncomingRevision): InsertOutcome {
    const note = (): void => {
      if (remote !== undefined) this.ancestors.set(`${remote} ${id}`, revId)
    }
    const old = this.docs.get(id)
    if (old?.revs.has(revId) === true) {
      note()
      return { status: 'known' }
    }
    const doc = old ?? { revs: new Map<string, Rev>(), current: '', rivals: new Set<string>(), sequence: 0 }
    const at = history.findIndex((rev) => doc.revs.has(rev))
    const base = at < 0 ? undefined : history[at]
    const deletedThen = old !== undefined && base === undefined && old.revs.get(old.current)?.deleted === true
    const closes = old !== undefined && deletedBranch !== undefined && revIdFor(old.current, true, Buffer.from('{}')) === deletedBranch
    if (closes) {
      old.revs.set(deletedBranch, { parent: old.current, deleted: true, body: Buffer.from('{}') })
      old.current = ''
    }
    const conflict = old !== undefined && !closes && base !== old.current && !deletedThen && !(base !== undefined && old.rivals.has(base))
    if (conflict && onConflict === 'refuse') return { status: 'conflict', revId: old.current }
    const chain = at < 0 ? history : history.slice(0, at)
    let parent = base
    for (const rev of [...chain].reverse()) {
      doc.revs.set(rev, { parent, deleted: false, body: undefined })
      parent = rev
    }
    doc.revs.set(revId, { parent, deleted, body: Buffer.from(body) })
    if (base !== undefined) doc.rivals.delete(base)
    if (conflict || (base !== undefined && old !== undefined && !closes && base !== old.current)) doc.rivals.add(revId)
    else doc.current = revId
    this.docs.set(id, doc)
    note()
    return { status: conflict ? 'conflicted' : 'stored', sequence: this.touch(id, doc) }
  }

  conflicts(limit: number, afterId = ''): ConflictedDocument[] {
    return [...this.docs]
      .filter(([id, doc]) => doc.rivals.size > 0 && id > afterId)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, limit)
      .map(([id]) => this.conflict(id) as ConflictedDocument)
  }

  conflict(id: string): ConflictedDocument | undefined {
    const doc = this.docs.get(id)
    const [rival] = doc?.rivals ?? []
    if (doc === undefined || rival === undefined) return undefined
    return { id, local: this.revision(id, doc.current) as RevisionForPush, remote: this.revision(id, rival) as RevisionForPush }
  }

  resolveConflict(id: string, localRevId: string, remoteRevId: string, resolution: ConflictResolution): ChangeEntry {
    const doc = this.docs.get(id)
    if (doc === undefined || doc.current !== localRevId || !doc.rivals.has(remoteRevId))
      throw new KithmeshError('ERR_DB_CONFLICT', 'no longer a leaf')
    const local = doc.revs.get(localRevId) as Rev
    doc.rivals.delete(remoteRevId)
    if (resolution.take === 'remote') doc.current = remoteRevId
    else {
      const deleted = resolution.take === 'deleted' || (resolution.take === 'local' && local.deleted)
      const body = Buffer.from(
        resolution.take === 'merged' ? resolution.body : resolution.take === 'local' ? (local.body as Buffer) : Buffer.from('{}')
      )
      const revId = revIdFor(remoteRevId, deleted, body)
      doc.revs.set(revId, { parent: remoteRevId, deleted, body })
      doc.current = revId
    }
    this.touch(id, doc)
    return this.entryOf(id, doc)
  }

  closingTombstone(id: string, revId: string): string | undefined {
    const closing = revIdFor(revId, true, Buffer.from('{}'))
    return this.docs.get(id)?.revs.has(closing) === true ? closing : undefined
  }

  purge(ids: readonly string[], mayGo?: (entry: ChangeEntry) => boolean, remote?: number): ChangeEntry[] {
    return ids.flatMap((id) => {
      const change = this.change(id)
      if (change === undefined) return []
      const entry = remote === undefined ? change : { ...change, remoteRevId: this.remoteAncestor(remote, id) ?? '' }
      if (mayGo?.(entry) === false) return []
      this.docs.delete(id)
      return [entry]
    })
  }
  renewRemote(uid: string): number {
    const known = this.#remotes.indexOf(uid)
    if (known >= 0) this.#remotes[known] = ''
    return this.remoteId(uid)
  }
  remoteId(uid: string): number {
    if (!this.#remotes.includes(uid)) this.#remotes.push(uid)
    return this.#remotes.indexOf(uid)
  }

  remoteAncestor(remote: number, id: string) {
    return this.ancestors.get(`${remote} ${id}`)
  }
  remoteAncestors(remote: number, entries: readonly { readonly id: string }[]) {
    return entries.map(({ id }) => this.remoteAncestor(remote, id))
  }
  setRemoteAncestors(remote: number, entries: readonly { readonly id: string; readonly revId: string }[]): void {
    for (const { id, revId } of entries) this.ancestors.set(`${remote} ${id}`, revId)
  }
}

export const digestOf = (bytes: Uint8Array): string => `sha1-${createHash('sha1').update(bytes).digest('base64')}`

class MemoryBlobs implements BlobAccess {
  readonly stored = new Map<string, Buffer>()
  put(bytes: Uint8Array): string {
    const digest = digestOf(bytes)
    this.stored.set(digest, Buffer.from(bytes))
    return digest
  }

  has(digest: string) {
    return this.stored.has(digest)
  }
  size(digest: string) {
    return this.stored.get(digest)?.length
  }
  read(digest: string) {
    return Promise.resolve(this.stored.get(digest))
  }
  readNow(digest: string, maxBytes: number) {
    const bytes = this.stored.get(digest)
    return bytes === undefined || bytes.length > maxBytes ? undefined : Buffer.from(bytes)
  }
  openRead(digest: string) {
    const bytes = this.stored.get(digest)
    return bytes === undefined ? undefined : pieces(bytes)
  }

  openReader(digest: string, maxBytes = Infinity) {
    const bytes = this.stored.get(digest)
    if (bytes === undefined || bytes.length > maxBytes) return undefined
    return {
      length: bytes.length,
      read: (target: Uint8Array, offset: number, length: number, position: number) => {
        target.set(bytes.subarray(position, position + length), offset)
      },
      close: () => {}
    }
  }

  openWrite(expected: { readonly digest: string; readonly length?: number }) {
    const parts: Uint8Array[] = []
    return {
      write: (piece: Uint8Array) => {
        parts.push(Buffer.from(piece))
        return undefined
      },
      commit: async () => {
        const bytes = Buffer.concat(parts)
        if (digestOf(bytes) !== expected.digest || (expected.length !== undefined && expected.length !== bytes.length))
          throw new KithmeshError('ERR_DB_BLOB_MISMATCH', 'not what was expected')
        await Promise.resolve()
        this.stored.set(expected.digest, bytes)
      },
      abort: () => {
        parts.length = 0
        return Promise.resolve()
      }
    }
  }
}

async function* pieces(bytes: Buffer): AsyncGenerator<Buffer, void, void> {
  for (let i = 0; i < bytes.length; i += 10_000) {
    await Promise.resolve()
    yield bytes.subarray(i, i + 10_000)
  }
}
