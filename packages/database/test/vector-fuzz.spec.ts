import { expect } from 'chai'
import fc from 'fast-check'
import { systemClock } from '@kithmesh/core'
import { isVectorHistory, parseVector, formatVector, replicationStore, vectorCovers } from '@kithmesh/database/replication'
import type { ConflictResolution, RevisionForPush } from '@kithmesh/database/replication'
import { Temporary } from './temporary.ts'

const START = Date.UTC(2026, 5, 1)
const SOURCES = ['AliceAliceAliceAliceAA', 'BobBobBobBobBobBobBobA', 'CarolCarolCarolCarolCA', 'Revision+Tree+Encoding']
const TREES = ['3-ab', '2-abcd0000', '2-ff', '1-ef', '1-00']

/** Ids as a peer might make them up: any versions, any order, often impossible ones. */
const version = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.constantFrom(...SOURCES))
  .map(([time, source]) => `${time.toString(16)}@${source}`)
const entry = fc.oneof({ weight: 5, arbitrary: version }, { weight: 1, arbitrary: fc.constantFrom(...TREES) })
const insertion = fc.record({
  revId: entry,
  history: fc.array(entry, { maxLength: 4 }),
  merges: fc.nat(2),
  deleted: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  value: fc.nat(2),
  onConflict: fc.constantFrom<'refuse' | 'branch'>('refuse', 'branch')
})
const resolution: fc.Arbitrary<ConflictResolution> = fc.constantFrom<ConflictResolution>(
  { take: 'local' },
  { take: 'remote' },
  { take: 'deleted' },
  { take: 'merged', body: Buffer.from('{"value":0}') }
)
const action = fc.oneof(
  { weight: 6, arbitrary: insertion.map((insert) => ({ insert })) },
  { weight: 2, arbitrary: resolution.map((resolve) => ({ resolve })) },
  { weight: 1, arbitrary: fc.boolean().map((remove) => ({ remove })) },
  { weight: 1, arbitrary: fc.tuple(entry, fc.array(version, { maxLength: 3 })).map((graft) => ({ graft })) }
)

describe('a database with version vectors whose peers lie', () => {
  const temporary = new Temporary()
  afterEach(async () => {
    await temporary.clean()
  })

  it('never stores a vector that is none, and never forgets what it knew', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
        const database = await temporary.open(':memory:', { versioning: 'version-vectors', clock: { ...systemClock, now: () => START } })
        const peer = replicationStore(database).collection('_default', '_default')
        if (peer === undefined) throw new TypeError('no collection')
        let before: RevisionForPush | undefined
        for (const one of actions) {
          if ('insert' in one) {
            const { value, ...ids } = one.insert
            const body = Buffer.from(JSON.stringify(ids.deleted ? {} : { value }))
            const [outcome] = peer.insertRevisions([{ id: 'doc', body, hasBlobs: false, ...ids }])
            if (outcome?.status === 'failed') expect(outcome.error).to.have.property('code', 'ERR_DB_REVISION_ID')
            expect(outcome?.status === 'failed').to.equal(!isVectorHistory(ids.revId, ids.history, ids.merges))
          } else if ('resolve' in one) {
            const conflict = peer.conflict('doc')
            if (conflict !== undefined) {
              try {
                peer.resolveConflict('doc', conflict.local.revId, conflict.remote.revId, one.resolve)
              } catch (error) {
                expect(error).to.have.property('code', 'ERR_DB_CONFLICT')
              }
            }
          } else if ('graft' in one) {
            peer.graft?.('doc', [one.graft[0], ...one.graft[1]].join('; '))
          } else if (one.remove) database.collection().remove('doc')
          else database.collection().put('doc', { value: 1 })

          const after = peer.revision('doc')
          if (after === undefined) continue
          expect(isVectorHistory(after.revId, after.history, after.merges), formatVector(after)).to.equal(true)
          expect(parseVector(formatVector(after))).to.deep.equal({ revId: after.revId, history: after.history, merges: after.merges ?? 0 })
          const conflict = peer.conflict('doc')
          expect(conflict !== undefined).to.equal(peer.change('doc')?.conflicted)
          if (conflict !== undefined) {
            expect(isVectorHistory(conflict.remote.revId, conflict.remote.history, conflict.remote.merges)).to.equal(true)
            expect(vectorCovers(after, conflict.remote.revId)).to.equal(false)
          }
          if (before !== undefined) {
            for (const known of [before.revId, ...before.history.filter((id) => id.includes('@'))]) {
              expect(vectorCovers(after, known), `${formatVector(before)} -> ${formatVector(after)}`).to.equal(true)
            }
          }
          before = after
          expect(peer.findMissing([{ id: 'doc', revId: after.revId }])).to.deep.equal(['known'])
          expect(peer.checkProposals([{ id: 'doc', revId: formatVector(after), parentRevId: '' }])).to.deep.equal([304])
        }
        await temporary.clean()
      }),
      { numRuns: 1500 }
    )
  })
})
