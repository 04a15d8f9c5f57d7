import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { compareVersionsForWin, formatVector, headOf, vectorCovers } from '@kithmesh/database/replication'
import type { ConflictedDocument, ConflictResolution, ReplicationCollection } from '@kithmesh/database/replication'
import type { ForeignVectorPeer } from './foreign-vector-peer.ts'

export type Resolver = (conflict: ConflictedDocument) => ConflictResolution

/** One replication pass of an active peer against a passive one, by the rules of cbmobile.md §6, §7, §11 and §15, without a wire between them. */
export class Link {
  readonly active: ReplicationCollection
  readonly passive: ReplicationCollection
  readonly #remote: number
  readonly #resolver: Resolver
  readonly #wholeVectors: boolean

  constructor(active: ReplicationCollection, passive: ReplicationCollection, name: string, resolver: Resolver, wholeVectors: boolean) {
    this.active = active
    this.passive = passive
    this.#remote = active.remoteId(name)
    this.#resolver = resolver
    this.#wholeVectors = wholeVectors
  }

  pull(): void {
    for (const { id, revId } of this.passive.changesSince(0, 1000)) {
      if (this.active.findMissing([{ id, revId }])[0] === 'known') {
        this.active.setRemoteAncestors(this.#remote, [{ id, revId }])
        continue
      }
      const revision = this.passive.revision(id)
      if (revision === undefined) continue
      const [outcome] = this.active.insertRevisions([{ ...revision, onConflict: 'branch', remote: this.#remote }])
      if (outcome?.status === 'failed') throw outcome.error
    }
  }

  resolve(): void {
    resolveAll(this.active, this.#resolver)
  }

  push(): void {
    for (const { id, revId, conflicted } of this.active.changesSince(0, 1000)) {
      const ancestor = this.active.remoteAncestor(this.#remote, id)
      const revision = this.active.revision(id)
      if (conflicted || ancestor === revId || revision === undefined) continue
      const proposed = this.#wholeVectors ? formatVector(revision) : revId
      const status = this.passive.checkProposals([{ id, revId: proposed, parentRevId: ancestor ?? '' }])[0]
      if (typeof status === 'object' && !vectorCovers(revision, headOf(status.rev))) continue
      if (status !== 304) {
        const [outcome] = this.passive.insertRevisions([{ ...revision, onConflict: 'refuse' }])
        if (outcome?.status === 'failed') throw outcome.error
        if (outcome?.status === 'conflict') {
          this.active.graft?.(id, outcome.revId)
          continue
        }
      }
      this.active.setRemoteAncestors(this.#remote, [{ id, revId }])
    }
  }
}

const numberIn = ({ body }: { readonly body: Uint8Array }): number =>
  (JSON.parse(Buffer.from(body).toString()) as { value?: number }).value ?? 0

export const resolvers: Readonly<Record<string, Resolver>> = {
  'by default': ({ local, remote }) => ({ take: compareVersionsForWin(local, remote) > 0 ? 'local' : 'remote' }),
  'each for its own side': () => ({ take: 'local' }),
  'each for the other side': () => ({ take: 'remote' }),
  'for the earlier version': ({ local, remote }) => ({ take: compareVersionsForWin(local, remote) > 0 ? 'remote' : 'local' }),
  'by the greater value': ({ local, remote }) => ({ take: numberIn(local) > numberIn(remote) ? 'local' : 'remote' }),
  'by merging': ({ local, remote }) => ({
    take: 'merged',
    body: Buffer.from(JSON.stringify({ value: numberIn(local) | numberIn(remote) }))
  }),
  'by deleting': () => ({ take: 'deleted' })
}

export type Step =
  | { readonly edit: number; readonly remove: boolean; readonly value: number; readonly tick: number }
  | { readonly sync: number; readonly part: number }

export const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({
      edit: fc.nat(9),
      remove: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
      value: fc.nat(7),
      tick: fc.integer({ min: -1, max: 1 })
    }),
    fc.record({ sync: fc.nat(9), part: fc.nat(3) })
  ),
  { maxLength: 30 }
)

export const topologies: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  'a pair': [[0, 1]],
  'a pair that call each other': [
    [0, 1],
    [1, 0]
  ],
  'a hub that calls three others': [
    [0, 1],
    [0, 2],
    [0, 3]
  ],
  'three that call a hub': [
    [1, 0],
    [2, 0],
    [3, 0]
  ],
  'a chain called from both ends': [
    [0, 1],
    [2, 1],
    [2, 3]
  ],
  'a ring': [
    [0, 1],
    [1, 2],
    [2, 0]
  ],
  'all with all, both ways': [
    [0, 1],
    [1, 0],
    [0, 2],
    [2, 0],
    [1, 2],
    [2, 1]
  ]
}

/** One pass of a peer against one that goes by other rules. */
export class ForeignLink {
  readonly active: ReplicationCollection
  readonly passive: ForeignVectorPeer
  readonly #remote: number
  readonly #resolver: Resolver

  constructor(active: ReplicationCollection, passive: ForeignVectorPeer, name: string, resolver: Resolver) {
    this.active = active
    this.passive = passive
    this.#remote = active.remoteId(name)
    this.#resolver = resolver
  }

  pull(): void {
    const { state, revId } = this.passive
    if (state === undefined || revId === undefined) return
    if (this.active.findMissing([{ id: 'doc', revId }])[0] === 'known') {
      this.active.setRemoteAncestors(this.#remote, [{ id: 'doc', revId }])
      return
    }
    const { vector, deleted, body } = state
    const revision = { id: 'doc', revId, history: vector.versions.slice(1), merges: vector.merges, deleted, body: Buffer.from(body) }
    this.active.insertRevisions([{ ...revision, hasBlobs: false, onConflict: 'branch', remote: this.#remote }])
  }

  resolve(): void {
    resolveAll(this.active, this.#resolver)
  }

  push(): void {
    const change = this.active.change('doc')
    const ancestor = this.active.remoteAncestor(this.#remote, 'doc')
    const revision = this.active.revision('doc')
    if (change === undefined || revision === undefined || change.conflicted || ancestor === change.revId) return
    let status = this.passive.propose(change.revId, ancestor ?? '')
    if (typeof status === 'object' && vectorCovers(revision, headOf(status.rev))) status = this.passive.propose(change.revId, status.rev)
    if (typeof status === 'object') return
    if (status === 0 && !this.passive.insert(revision)) this.active.graft?.('doc', ancestor ?? this.passive.revId ?? '')
    else this.active.setRemoteAncestors(this.#remote, [{ id: 'doc', revId: change.revId }])
  }
}

function resolveAll(peer: ReplicationCollection, resolver: Resolver): void {
  for (let left = 10; left > 0; left -= 1) {
    const conflicts = peer.conflicts(1000)
    if (conflicts.length === 0) return
    for (const conflict of conflicts) peer.resolveConflict(conflict.id, conflict.local.revId, conflict.remote.revId, resolver(conflict))
  }
}

/** The identity of the n-th database of a network: the same in every run, because ties are decided by it. */
export function uuidOf(n: number): `${string}-${string}-${string}-${string}-${string}` {
  return `0000000${n}-0000-4000-8000-${String(((n * 7) % 10) + 1).repeat(12)}`
}

/** Makes a directory a database with revision trees and a known identity. */
export function identify(directory: string, n: number): string {
  const file = { format: 1, engine: 'sqlite', privateUuid: uuidOf(n), publicUuid: uuidOf(n) }
  writeFileSync(join(directory, 'database.json'), JSON.stringify(file))
  return directory
}
