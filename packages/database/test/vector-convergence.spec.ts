import { expect } from 'chai'
import fc from 'fast-check'
import { systemClock } from '@kithmesh/core'
import type { Database } from '@kithmesh/database'
import { compareVersionsForWin, formatVector, headOf, legacyVersion, replicationStore, vectorCovers } from '@kithmesh/database/replication'
import type { ConflictedDocument, ConflictResolution, ReplicationCollection } from '@kithmesh/database/replication'
import { Temporary } from './temporary.ts'

type Resolver = (conflict: ConflictedDocument) => ConflictResolution

/** One replication pass of an active peer against a passive one, by the rules of cbmobile.md §6, §7, §11 and §15, without a wire between them. */
class Link {
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
    for (let left = 10; left > 0; left -= 1) {
      const conflicts = this.active.conflicts(1000)
      if (conflicts.length === 0) return
      for (const conflict of conflicts) {
        this.active.resolveConflict(conflict.id, conflict.local.revId, conflict.remote.revId, this.#resolver(conflict))
      }
    }
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

const valueOf = ({ body }: { readonly body: Uint8Array }): number =>
  (JSON.parse(Buffer.from(body).toString()) as { value?: number }).value ?? 0

const resolvers: Readonly<Record<string, Resolver>> = {
  'by default': ({ local, remote }) => ({ take: compareVersionsForWin(local, remote) > 0 ? 'local' : 'remote' }),
  'each for its own side': () => ({ take: 'local' }),
  'each for the other side': () => ({ take: 'remote' }),
  'for the earlier version': ({ local, remote }) => ({ take: compareVersionsForWin(local, remote) > 0 ? 'remote' : 'local' }),
  'by the greater value': ({ local, remote }) => ({ take: valueOf(local) > valueOf(remote) ? 'local' : 'remote' }),
  'by merging': ({ local, remote }) => ({ take: 'merged', body: Buffer.from(JSON.stringify({ value: valueOf(local) | valueOf(remote) })) }),
  'by deleting': () => ({ take: 'deleted' })
}

type Step =
  | { readonly edit: number; readonly remove: boolean; readonly value: number; readonly tick: number }
  | { readonly sync: number; readonly part: number }

const steps: fc.Arbitrary<Step[]> = fc.array(
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

const topologies: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
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

const START = Date.UTC(2026, 5, 1)

describe('peers with version vectors that edit the same document at the same time', () => {
  const temporary = new Temporary()
  afterEach(async () => {
    await temporary.clean()
  })

  for (const upgraded of [false, true]) {
    for (const [how, resolver] of Object.entries(resolvers)) {
      it(`come to the same revision, deciding ${how}${upgraded ? ', some of it from before they had vectors' : ''}`, async function () {
        this.timeout(120_000)
        const scenario = fc.record({
          pairs: fc.constantFrom(...Object.values(topologies)),
          list: steps,
          before: steps,
          wholeVectors: fc.boolean()
        })
        await fc.assert(
          fc.asyncProperty(scenario, async ({ pairs, list, before, wholeVectors }) => {
            const databases: Database[] = []
            const clocks: { now: number }[] = []
            const directories: string[] = []
            const count = 1 + Math.max(...pairs.flat())
            const open = async (n: number, versioning: 'rev-trees' | 'version-vectors'): Promise<void> => {
              const state = clocks[n] ?? { now: START }
              clocks[n] = state
              databases[n] = await temporary.open(directories[n] ?? ':memory:', {
                versioning,
                clock: { ...systemClock, now: () => state.now }
              })
            }
            const edit = (step: Step): void => {
              if (!('edit' in step)) return
              const n = step.edit % count
              ;(clocks[n] as { now: number }).now += step.tick
              const items = databases[n]?.collection()
              if (step.remove) items?.remove('doc')
              else items?.put('doc', { value: step.value })
            }
            if (upgraded) {
              for (let n = 0; n < count; n += 1) {
                directories[n] = temporary.directory()
                await open(n, 'rev-trees')
              }
              const trees = databases.map(
                (database) => replicationStore(database).collection('_default', '_default') as ReplicationCollection
              )
              for (const step of before.slice(0, 8)) {
                if ('edit' in step) edit(step)
                else {
                  const [to, from] = pairs[step.sync % pairs.length] as readonly [number, number]
                  copyTrees(trees[from] as ReplicationCollection, trees[to] as ReplicationCollection, 'branch')
                  if (step.part === 0) copyTrees(trees[to] as ReplicationCollection, trees[from] as ReplicationCollection, 'refuse')
                }
              }
              for (const database of databases) await database.close()
            }
            for (let n = 0; n < count; n += 1) await open(n, 'version-vectors')
            const peers = databases.map(
              (database) => replicationStore(database).collection('_default', '_default') as ReplicationCollection
            )
            const links = pairs.map(
              ([from, to]) =>
                new Link(peers[from] as ReplicationCollection, peers[to] as ReplicationCollection, `peer ${to}`, resolver, wholeVectors)
            )
            for (const step of list) {
              edit(step)
              if ('edit' in step) continue
              const link = links[step.sync % links.length] as Link
              if (step.part !== 1) link.pull()
              if (step.part !== 2) link.resolve()
              if (step.part !== 3) link.push()
            }
            const state = (): string[] => peers.map((peer) => stateOf(peer))
            let rounds = 0
            for (; rounds < 30 && (rounds === 0 || new Set(state()).size > 1); rounds += 1) {
              for (const link of links) {
                link.pull()
                link.resolve()
                link.push()
              }
            }
            expect(new Set(state()).size, `${peers.map(describeDocument).join('\n')}\nafter ${rounds} rounds`).to.equal(1)
            expect(peers[0]?.change('doc')?.conflicted ?? false).to.equal(false)
            await temporary.clean()
          }),
          { numRuns: upgraded ? 60 : 250 }
        )
      })
    }
  }
})

/** A revision of a tree and the version that stands for it are one revision. */
function stateOf(peer: ReplicationCollection): string {
  const change = peer.change('doc')
  if (change === undefined) return 'nothing'
  const revId = change.revId.includes('@') ? change.revId : (legacyVersion(change.revId) ?? '')
  return JSON.stringify([revId, change.conflicted, change.deleted, Buffer.from(peer.revision('doc')?.body ?? []).toString()])
}

function describeDocument(peer: ReplicationCollection): string {
  const revision = peer.revision('doc')
  return revision === undefined ? 'nothing' : `${formatVector(revision)}${revision.deleted ? ' deleted' : ''}`
}

function copyTrees(from: ReplicationCollection, to: ReplicationCollection, onConflict: 'branch' | 'refuse'): void {
  const revision = from.revision('doc')
  if (revision !== undefined) to.insertRevisions([{ ...revision, onConflict }])
}
