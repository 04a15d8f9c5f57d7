import { expect } from 'chai'
import fc from 'fast-check'
import type { Database } from '@kithmesh/database'
import { compareRevisions, replicationStore } from '@kithmesh/database/replication'
import type { ConflictedDocument, ConflictResolution, ReplicationCollection } from '@kithmesh/database/replication'
import { Temporary } from './temporary.ts'

/** One replication pass of an active peer against a passive one, by the rules of cbmobile.md §6, §7 and §11, without a wire between them. */
class Link {
  readonly active: ReplicationCollection
  readonly passive: ReplicationCollection
  readonly #remote: number

  constructor(active: ReplicationCollection, passive: ReplicationCollection, name: string) {
    this.active = active
    this.passive = passive
    this.#remote = active.remoteId(name)
  }

  pull(): void {
    for (const { id, revId } of this.passive.changesSince(0, 1000)) {
      if (this.active.findMissing([{ id, revId }])[0] === 'known') {
        this.active.setRemoteAncestors(this.#remote, [{ id, revId }])
        continue
      }
      const revision = this.passive.revision(id)
      if (revision !== undefined) this.active.insertRevisions([{ ...revision, onConflict: 'branch', remote: this.#remote }])
    }
  }

  resolve(): void {
    for (const conflict of this.active.conflicts(1000)) {
      this.active.resolveConflict(conflict.id, conflict.local.revId, conflict.remote.revId, winnerOf(conflict))
    }
  }

  push(): void {
    for (const { id, revId, conflicted } of this.active.changesSince(0, 1000)) {
      const ancestor = this.active.remoteAncestor(this.#remote, id)
      const revision = this.active.revision(id)
      if (conflicted || ancestor === revId || revision === undefined) continue
      let parent = ancestor ?? ''
      let status = this.passive.checkProposals([{ id, revId, parentRevId: parent }])[0]
      if (typeof status === 'object') {
        const theirs = status.rev
        if (!revision.history.includes(theirs) && this.active.closingTombstone(id, theirs) === undefined) continue
        parent = theirs
        status = 0
      }
      if (status === 0) {
        const deletedBranch = parent === '' || revision.history.includes(parent) ? undefined : this.active.closingTombstone(id, parent)
        const [outcome] = this.passive.insertRevisions([
          { ...revision, onConflict: 'refuse', ...(deletedBranch === undefined ? {} : { deletedBranch }) }
        ])
        if (outcome?.status !== 'stored' && outcome?.status !== 'known') continue
      }
      this.active.setRemoteAncestors(this.#remote, [{ id, revId }])
    }
  }
}

/** The default resolver of cbmobile.md §11. */
function winnerOf({ local, remote }: ConflictedDocument): ConflictResolution {
  return { take: compareRevisions(local, remote) > 0 ? 'local' : 'remote' }
}

type Step = { readonly edit: number; readonly remove: boolean; readonly value: number } | { readonly sync: number; readonly part: number }

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ edit: fc.nat(9), remove: fc.integer({ min: 0, max: 5 }).map((n) => n === 0), value: fc.nat(3) }),
    fc.record({ sync: fc.nat(9), part: fc.nat(3) })
  ),
  { maxLength: 25 }
)

const topologies: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  'a pair': [[0, 1]],
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
  'a chain': [
    [0, 1],
    [1, 2],
    [2, 3]
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
  'all with all': [
    [0, 1],
    [0, 2],
    [0, 3],
    [1, 2],
    [1, 3],
    [2, 3]
  ]
}

describe('peers that edit the same document at the same time', () => {
  const temporary = new Temporary()
  afterEach(async () => {
    await temporary.clean()
  })

  for (const [name, pairs] of Object.entries(topologies)) {
    it(`come to the same revision without conflicts: ${name}`, async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (list) => {
          const databases: Database[] = []
          for (let n = 0; n <= Math.max(...pairs.flat()); n += 1) databases.push(await temporary.open(':memory:'))
          const peers = databases.map((database) => replicationStore(database).collection('_default', '_default') as ReplicationCollection)
          const links = pairs.map(
            ([from, to]) => new Link(peers[from] as ReplicationCollection, peers[to] as ReplicationCollection, `peer ${to}`)
          )
          for (const step of list) {
            if ('edit' in step) {
              const items = databases[step.edit % databases.length]?.collection()
              if (step.remove) items?.remove('doc')
              else items?.put('doc', { value: step.value, by: step.edit % databases.length })
            } else {
              const link = links[step.sync % links.length] as Link
              if (step.part !== 1) link.pull()
              if (step.part !== 2) link.resolve()
              if (step.part !== 3) link.push()
            }
          }
          const state = (): string[] => peers.map((peer) => JSON.stringify([peer.change('doc')?.revId, peer.change('doc')?.conflicted]))
          let rounds = 0
          for (; rounds < 12 && (rounds === 0 || new Set(state()).size > 1); rounds += 1) {
            for (const link of links) {
              link.pull()
              link.resolve()
              link.push()
            }
          }
          expect(new Set(state()).size, `${state().join(' ')} after ${rounds} rounds`).to.equal(1)
          expect(peers[0]?.change('doc')?.conflicted ?? false).to.equal(false)
          await temporary.clean()
        }),
        { numRuns: 150 }
      )
    })
  }
})
