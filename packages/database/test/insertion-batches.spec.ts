import { expect } from 'chai'
import fc from 'fast-check'
import { replicationStore } from '@kithmesh/database/replication'
import type { IncomingRevision, ReplicationCollection } from '@kithmesh/database/replication'
import { Temporary } from './temporary.ts'

const IDS = ['a', 'b']
const TREES = ['1-aa', '1-bb', '2-aa', '2-bb', '3-aa']
const VECTORS = ['1@AliceAliceAliceAliceAA', '2@AliceAliceAliceAliceAA', '1@BobBobBobBobBobBobBobA', '3@BobBobBobBobBobBobBobA']

const revisions = (names: readonly string[]): fc.Arbitrary<IncomingRevision[]> =>
  fc.array(
    fc
      .record({
        id: fc.constantFrom(...IDS),
        revId: fc.constantFrom(...names),
        parent: fc.option(fc.constantFrom(...names), { nil: undefined }),
        deleted: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
        onConflict: fc.constantFrom<'refuse' | 'branch'>('refuse', 'branch'),
        remote: fc.option(fc.constantFrom(1, 2), { nil: undefined })
      })
      .map(({ id, revId, parent, deleted, onConflict, remote }) => ({
        id,
        revId,
        history: parent === undefined ? [] : [parent],
        deleted,
        onConflict,
        hasBlobs: false,
        body: Buffer.from(deleted ? '{}' : JSON.stringify({ revId })),
        ...(remote !== undefined && { remote })
      })),
    { maxLength: 12 }
  )

describe('revisions that are inserted many at a time', () => {
  const temporary = new Temporary()
  afterEach(async () => {
    await temporary.clean()
  })

  /** All that can be seen, with one name for the versions that a database makes itself, at a time and under an id of its own. */
  const state = (peer: ReplicationCollection): unknown => {
    const documents = IDS.map((id) => ({
      revision: peer.revision(id),
      conflict: peer.conflict(id),
      remotes: [peer.remoteAncestor(1, id), peer.remoteAncestor(2, id)]
    }))
    const all = [documents, peer.lastSequence, peer.changesSince(0, 100, 1), peer.conflicts(10).map(({ id }) => id)]
    return JSON.parse(JSON.stringify(all).replace(/[0-9a-f]+@(?!Alice|Bob)[^",]+/g, 'made')) as unknown
  }

  for (const [versioning, names] of [
    ['rev-trees', TREES],
    ['version-vectors', VECTORS]
  ] as const) {
    it(`end as they do one by one, with purges between (${versioning})`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(revisions(names), { maxLength: 4 }), fc.boolean(), async (batches, purge) => {
          const collections = await Promise.all(
            [0, 1].map(async () => {
              const database = await temporary.open(':memory:', { versioning })
              return [database, replicationStore(database).collection('_default', '_default') as ReplicationCollection] as const
            })
          )
          const [one, many] = collections.map(([, peer]) => peer) as [ReplicationCollection, ReplicationCollection]
          for (const batch of batches) {
            const alone = batch.map((revision) => one.insertRevisions([revision])[0]?.status)
            expect(many.insertRevisions(batch).map(({ status }) => status)).to.deep.equal(alone)
            expect(state(many)).to.deep.equal(state(one))
            if (purge) for (const peer of [one, many]) peer.purge(['a'])
            expect(state(many)).to.deep.equal(state(one))
            for (const [database, peer] of collections)
              expect(database.collection().count).to.equal(IDS.filter((id) => peer.change(id)?.deleted === false).length)
          }
          for (const [database] of collections) await database.close()
        }),
        { numRuns: 150 }
      )
    })
  }
})
