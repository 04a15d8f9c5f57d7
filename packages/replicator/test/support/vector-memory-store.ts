import { randomBytes } from 'node:crypto'
import { KithmeshError } from '@kithmesh/core'
import { compareVersions, formatVector, headOf, isVersion } from '@kithmesh/database/replication'
import type {
  ChangeEntry,
  ConflictResolution,
  DocumentVersioning,
  IncomingRevision,
  InsertOutcome,
  RevisionForPush
} from '@kithmesh/database/replication'
import { MemoryCollection, MemoryStore } from './memory-store.ts'
import type { Doc, Rev } from './memory-store.ts'

/** Current version first; a document of trees is a vector of its one revision id. */
type Vector = readonly string[]

const sourceOf = (version: string): string => version.slice(version.indexOf('@') + 1)
const timeOf = (version: string): bigint => BigInt(`0x${version.slice(0, version.indexOf('@'))}`)

const knows = (vector: Vector, version: string): boolean =>
  vector.includes(version) ||
  (isVersion(version) && vector.some((mine) => isVersion(mine) && sourceOf(mine) === sourceOf(version) && timeOf(mine) >= timeOf(version)))

/** The latest of each source but those of `current`. */
function previousOf(current: readonly string[], ...vectors: readonly Vector[]): string[] {
  const latest = new Map<string, string>()
  for (const version of vectors.flat()) {
    const source = isVersion(version) ? sourceOf(version) : version
    const known = latest.get(source)
    if (known === undefined || (isVersion(version) && timeOf(version) > timeOf(known))) latest.set(source, version)
  }
  for (const version of current) latest.delete(sourceOf(version))
  return [...latest.values()].sort((a, b) => Number(isVersion(b)) - Number(isVersion(a)) || (isVersion(a) ? compareVersions(b, a) : 0))
}

/** A small replication store in memory whose documents have version vectors, compared by Couchbase Lite's rules and no others. */
export class VectorMemoryStore extends MemoryStore {
  override readonly versioning: DocumentVersioning = 'version-vectors'

  protected override makeCollection(scope: string, name: string): MemoryCollection {
    return new VectorMemoryCollection(scope, name)
  }
}

export class VectorMemoryCollection extends MemoryCollection {
  readonly source = `${randomBytes(16).toString('base64').slice(0, 21)}A`
  /** The latest time made or seen. */
  time = 0x18e9_0000_0000_0000n

  /** An application's edit. */
  override put(id: string, body: unknown, deleted = false): string {
    const doc = this.docs.get(id)
    const revId = this.#newVersion()
    const history = doc === undefined ? [] : previousOf([revId], this.#vector(doc, doc.current))
    this.#setCurrent(id, revId, { deleted, body: Buffer.from(JSON.stringify(body)), history, merges: 0 })
    return revId
  }

  override revision(id: string, revId?: string): RevisionForPush | undefined {
    const doc = this.docs.get(id)
    const wanted = revId ?? doc?.current
    const rev = wanted === undefined ? undefined : doc?.revs.get(wanted)
    if (doc === undefined || wanted === undefined || rev?.body === undefined) return undefined
    const { history = [], merges = 0 } = rev.vector ?? {}
    const hasBlobs = rev.body.includes('"@type":"blob"')
    return { id, revId: wanted, sequence: doc.sequence, deleted: rev.deleted, body: rev.body, history, merges, hasBlobs }
  }

  override findMissing(entries: readonly { readonly id: string; readonly revId: string }[]): (readonly string[] | 'known')[] {
    return entries.map(({ id, revId }) => {
      const doc = this.docs.get(id)
      if (doc === undefined) return []
      return [doc.current, ...doc.rivals].some((mine) => knows(this.#vector(doc, mine), revId)) ? 'known' : [doc.current]
    })
  }

  override checkProposals(
    entries: readonly { readonly id: string; readonly revId: string; readonly parentRevId: string }[]
  ): (0 | 304 | { status: 409; rev: string })[] {
    return entries.map(({ id, revId: proposed, parentRevId: parent }) => {
      const [revId, parentRevId] = [headOf(proposed), headOf(parent)]
      const doc = this.docs.get(id)
      if (doc === undefined) return 0
      if (doc.current === revId) return 304
      const gone = parentRevId === '' && doc.revs.get(doc.current)?.deleted === true
      return doc.current === parentRevId || gone ? 0 : { status: 409, rev: formatVector(this.revision(id) as RevisionForPush) }
    })
  }

  protected override insert(revision: IncomingRevision): InsertOutcome {
    const { id, revId, deleted, history, merges = 0, body, onConflict, remote } = revision
    const note = (): void => {
      if (remote !== undefined) this.ancestors.set(`${remote} ${id}`, revId)
    }
    for (const version of [revId, ...history]) if (isVersion(version) && timeOf(version) > this.time) this.time = timeOf(version)
    const doc = this.docs.get(id)
    const rev = { deleted, body: Buffer.from(body), history, merges }
    if (doc !== undefined) {
      const [ours, theirs] = [this.#vector(doc, doc.current), [revId, ...history]]
      const [newer, older] = [knows(theirs, doc.current), knows(ours, revId)]
      if (doc.current === revId || (older && !newer)) {
        note()
        return { status: 'known' }
      }
      if (newer === older) {
        if (onConflict === 'refuse') return { status: 'conflict', revId: doc.current }
        doc.rivals.clear()
        doc.rivals.add(revId)
        doc.revs.set(revId, { parent: undefined, deleted, body: rev.body, vector: { history, merges } })
        note()
        return { status: 'conflicted', sequence: this.touch(id, doc) }
      }
    }
    this.#setCurrent(id, revId, rev)
    note()
    return { status: 'stored', sequence: (this.docs.get(id) as Doc).sequence }
  }

  override resolveConflict(id: string, localRevId: string, remoteRevId: string, resolution: ConflictResolution): ChangeEntry {
    const doc = this.docs.get(id)
    if (doc === undefined || doc.current !== localRevId || !doc.rivals.has(remoteRevId))
      throw new KithmeshError('ERR_DB_CONFLICT', 'no longer the rivals')
    const [local, remote] = [this.#vector(doc, localRevId), this.#vector(doc, remoteRevId)]
    if (resolution.take === 'local' || resolution.take === 'remote') {
      const [winner, loser] = resolution.take === 'local' ? [local, remote] : [remote, local]
      const current = winner[0] as string
      const { deleted, body } = doc.revs.get(current) as Rev & { readonly body: Buffer }
      this.#setCurrent(id, current, { deleted, body, history: previousOf([current], winner, loser), merges: 0 })
    } else {
      const revId = this.#newVersion()
      const merged = [localRevId, remoteRevId].sort((a, b) => compareVersions(b, a))
      const deleted = resolution.take === 'deleted'
      const body = Buffer.from(resolution.take === 'merged' ? resolution.body : '{}')
      this.#setCurrent(id, revId, { deleted, body, history: [...merged, ...previousOf([revId, ...merged], local, remote)], merges: 2 })
    }
    return this.entryOf(id, doc)
  }

  override closingTombstone(): string | undefined {
    throw new Error('Vectors have no branches to close')
  }

  #newVersion(): string {
    this.time += 0x1_0000n
    return `${this.time.toString(16)}@${this.source}`
  }

  #vector(doc: Doc, revId: string): Vector {
    return [revId, ...(doc.revs.get(revId)?.vector?.history ?? [])]
  }

  #setCurrent(
    id: string,
    revId: string,
    { deleted, body, history, merges }: { deleted: boolean; body: Buffer; history: readonly string[]; merges: number }
  ): void {
    const doc: Doc = this.docs.get(id) ?? { revs: new Map(), current: revId, rivals: new Set(), sequence: 0 }
    doc.revs.clear()
    doc.rivals.clear()
    doc.revs.set(revId, { parent: undefined, deleted, body, vector: { history, merges } })
    doc.current = revId
    this.docs.set(id, doc)
    this.touch(id, doc)
  }
}
