import { expect } from 'chai'
import { Database } from '@kithmesh/database'
import type { IncomingRevision, ReplicationCollection } from '@kithmesh/database/replication'
import { replicationStore } from '@kithmesh/database/replication'
import { internals } from '../dist/internals.js'
import { Temporary } from './temporary.ts'

const temporary = new Temporary()
const filler = 'x'.repeat(250)
const large = (n: number): Record<string, unknown> => ({ n, filler })

function incoming(id: string, revId: string, history: string[] = [], more: Partial<IncomingRevision> = {}): IncomingRevision {
  const body = Buffer.from(JSON.stringify({ is: revId, filler }))
  return { id, revId, history, deleted: false, body, hasBlobs: false, onConflict: 'refuse', ...more }
}

for (const [place, versioning] of [
  ['on disk', 'rev-trees'],
  ['on disk', 'version-vectors'],
  ['in memory', 'rev-trees']
] as const) {
  describe(`bodies that deltas are made from, in a database ${place} with ${versioning}`, () => {
    let database: Database
    let items: ReplicationCollection

    const viewOf = (opened: Database): ReplicationCollection =>
      replicationStore(opened).collection('_default', '_default') as ReplicationCollection
    const put = (id: string, body: Record<string, unknown>): string => database.collection().put(id, body).revId
    const body = (id: string, revId: string): unknown => {
      const bytes = items.bodyOf?.(id, revId)
      return bytes === undefined ? undefined : JSON.parse(Buffer.from(bytes).toString())
    }
    /** Documents with something kept. */
    const kept = (collection = 1): string[] => database[internals].engine.reader.valuesIn(`bases/${collection}`).map(({ key }) => key)
    const note = (id: string, revId: string, uid = 'peer'): void => {
      items.setRemoteAncestors(items.remoteId(uid), [{ id, revId }])
    }

    beforeEach(async () => {
      database = await temporary.open(place === 'in memory' ? ':memory:' : undefined, { versioning })
      items = viewOf(database)
    })
    afterEach(async () => {
      await temporary.clean()
    })

    it('are the current ones and rivals anyhow, but no deletions', () => {
      const rev = put('a', large(1))
      expect(body('a', rev)).to.deep.equal(large(1))
      expect(body('a', '1-00')).to.equal(undefined)
      expect(body('nothing', rev)).to.equal(undefined)
      items.insertRevisions([incoming('a', '1-ee', [], { onConflict: 'branch' })])
      expect(body('a', rev)).to.deep.equal(large(1))
      expect(body('a', '1-ee')).to.deep.equal({ is: '1-ee', filler })
      const gone = database.collection().put('b', large(1))
      database.collection().remove('b')
      expect(body('b', gone.revId)).to.equal(undefined)
      expect(body('b', items.change('b')?.revId ?? '')).to.equal(undefined)
    })

    it('are not kept while no peer takes deltas', () => {
      const first = put('a', large(1))
      note('a', first)
      put('a', large(2))
      expect(body('a', first)).to.equal(undefined)
      items.keepBases?.({ takesDeltas: undefined })
      items.keepBases?.({ takesDeltas: false })
      const third = put('a', large(3))
      note('a', third)
      put('a', large(4))
      expect(kept()).to.deep.equal([])
    })

    it('are kept until a peer has said whether it takes deltas', () => {
      items.keepBases?.({ takesDeltas: undefined })
      const first = put('a', large(1))
      note('a', first)
      put('a', large(2))
      items.keepBases?.({ takesDeltas: false })
      expect(body('a', first)).to.deep.equal(large(1))
      // What was kept goes by the same rules as ever.
      note('a', put('a', large(3)))
      expect(kept()).to.deep.equal([])
      const untouched = put('a', large(4))
      note('a', untouched)
      put('a', large(5))
      expect(kept()).to.deep.equal([])
    })

    describe('when peers take deltas', () => {
      beforeEach(() => {
        items.keepBases?.({ takesDeltas: true })
      })

      it('are kept when a remote is at them, through any number of edits, and go when it is not', () => {
        const first = put('a', large(1))
        put('b', large(1))
        note('a', first)
        for (let n = 2; n < 9; n++) put('a', large(n))
        put('b', large(2))
        expect(body('a', first)).to.deep.equal(large(1))
        expect(kept()).to.deep.equal(['a'])
        note('a', items.change('a')?.revId ?? '')
        expect(body('a', first)).to.equal(undefined)
        expect(kept()).to.deep.equal([])
      })

      it('are kept for each of several remotes', () => {
        const first = put('a', large(1))
        note('a', first, 'one')
        note('a', first, 'two')
        const second = put('a', large(2))
        note('a', second, 'one')
        const third = put('a', large(3))
        expect([body('a', first), body('a', second)]).to.deep.equal([large(1), large(2)])
        note('a', third, 'two')
        expect([body('a', first), body('a', second)]).to.deep.equal([undefined, large(2)])
        note('a', third, 'one')
        expect(kept()).to.deep.equal([])
      })

      it('are kept of what came from a remote by name, or from a peer without one', () => {
        items.insertRevisions([incoming('a', '1-aa', [], { remote: items.remoteId('peer') }), incoming('b', '1-bb')])
        put('a', large(2))
        put('b', large(2))
        expect(body('a', '1-aa')).to.deep.equal({ is: '1-aa', filler })
        expect(body('b', '1-bb')).to.deep.equal({ is: '1-bb', filler })
      })

      it('are not kept when the only remote at them sent the next revision itself', () => {
        const remote = items.remoteId('peer')
        items.insertRevisions([incoming('a', '1-aa', [], { remote })])
        items.insertRevisions([incoming('a', '2-aa', ['1-aa'], { remote })])
        expect(kept()).to.deep.equal([])
      })

      it('are kept of what a peer without a name was served', () => {
        const first = put('a', large(1))
        const second = put('b', large(1))
        items.keepBases?.({ takesDeltas: true, served: 1 })
        put('a', large(2))
        put('b', large(2))
        expect(body('a', first)).to.deep.equal(large(1))
        expect(body('b', second)).to.equal(undefined)
      })

      it('are bounded in number per document', () => {
        const revisions: string[] = []
        for (let n = 1; n < 10; n++) {
          revisions.push(put('a', large(n)))
          items.keepBases?.({ takesDeltas: true, served: items.lastSequence })
          note('a', revisions[revisions.length - 1] as string, `remote ${n}`)
        }
        expect(revisions.filter((rev) => body('a', rev) !== undefined).length).to.be.within(2, 5)
      })

      it('are not kept when small, nor of or beyond a deletion', () => {
        note('small', put('small', { n: 1 }))
        put('small', { n: 2 })
        const first = put('a', large(1))
        note('a', first)
        put('a', large(2))
        expect(kept()).to.deep.equal(['a'])
        database.collection().remove('a')
        expect(kept()).to.deep.equal([])
        put('a', large(3))
        expect(kept()).to.deep.equal([])
      })

      it('go with a purge and with the collection', () => {
        for (const id of ['a', 'b']) {
          note(id, put(id, large(1)))
          put(id, large(2))
        }
        items.purge(['a'])
        expect(kept()).to.deep.equal(['b'])
        const again = put('a', large(1))
        put('a', large(2))
        expect(body('a', again)).to.equal(undefined)
        const things = database.collection('things', '_default', { create: true })
        const view = replicationStore(database).collection('_default', 'things') as ReplicationCollection
        view.keepBases?.({ takesDeltas: true })
        for (let n = 0; n < 20; n++) {
          const { revId } = things.put(`${n}`, large(1))
          view.setRemoteAncestors(view.remoteId('peer'), [{ id: `${n}`, revId }])
          things.put(`${n}`, large(2))
        }
        expect(kept(2)).to.have.length(20)
        database.deleteCollection('things')
        expect(kept(2)).to.deep.equal([])
        expect(kept()).to.deep.equal(['b'])
      })

      if (versioning === 'version-vectors')
        describe('and a document is in conflict', () => {
          const remote = (): number => items.remoteId('peer')
          const theirs = (time: string): string => `${time}@AAECAwQFBgcICQoLDA0ODw`
          const current = (): string => items.change('a')?.revId ?? ''

          it('are told to a peer that announces another version of it', () => {
            const first = put('a', large(1))
            note('a', first)
            const announced = [{ id: 'a', revId: theirs('10') }]
            expect(items.findMissing(announced, remote())).to.deep.equal([[first]])
            const second = put('a', large(2))
            expect(items.findMissing(announced, remote())).to.deep.equal([[second, first]])
            expect(items.findMissing(announced, items.remoteId('another'))).to.deep.equal([[second]])
            expect(items.findMissing(announced)).to.deep.equal([[second]])
            note('a', second)
            expect(items.findMissing(announced, remote())).to.deep.equal([[second]])
          })

          for (const take of ['local', 'remote', 'merged'] as const)
            it(`are those of the side that the peer is at, when the outcome is "${take}", until it is beyond`, () => {
              put('a', large(1))
              items.insertRevisions([incoming('a', theirs('10'), [], { onConflict: 'branch', remote: remote() })])
              const { local, remote: rival } = items.conflict('a') ?? expect.fail('there is no conflict')
              items.resolveConflict(
                'a',
                local.revId,
                rival.revId,
                take === 'merged' ? { take, body: Buffer.from(JSON.stringify({ n: 3, filler })) } : { take }
              )
              expect(body('a', theirs('10'))).to.deep.equal({ is: theirs('10'), filler })
              expect(kept()).to.deep.equal(take === 'remote' ? [] : ['a'])
              note('a', current())
              expect(kept()).to.deep.equal([])
            })
        })

      it('are no longer there when the transaction that replaced them was undone', () => {
        const first = put('a', large(1))
        note('a', first)
        const { engine, bases } = database[internals]
        expect(() =>
          engine.transact((writer) => {
            const existing = writer.get(1, 'a')
            if (existing === undefined) throw new Error('there is no document')
            bases.replace(writer, 1, existing, { ...existing, revId: '2-ff' }, '1=' + first)
            throw new Error('undone')
          })
        ).to.throw('undone')
        expect(kept()).to.deep.equal([])
      })

      it('flag only the documents that have some', () => {
        const first = put('a', large(1))
        note('a', first)
        put('b', large(1))
        put('a', large(2))
        const flags = (id: string): number => database[internals].engine.reader.getChange(1, id)?.flags ?? -1
        expect([flags('a'), flags('b')]).to.deep.equal([16, 0])
      })
    })

    it('go with the collection too when they were kept for a peer that takes no deltas after all', () => {
      database.collection('things', '_default', { create: true })
      const view = replicationStore(database).collection('_default', 'things') as ReplicationCollection
      view.keepBases?.({ takesDeltas: undefined })
      const { revId } = database.collection('things').put('a', large(1))
      view.setRemoteAncestors(view.remoteId('peer'), [{ id: 'a', revId }])
      database.collection('things').put('a', large(2))
      expect(kept(2)).to.deep.equal(['a'])
      view.keepBases?.({ takesDeltas: false })
      database.deleteCollection('things')
      expect(kept(2)).to.deep.equal([])
    })

    if (place === 'on disk')
      it('go with the collection too when another process kept them', async () => {
        const things = database.collection('things', '_default', { create: true })
        const { revId } = things.put('a', large(1))
        things.put('b', large(1))
        things.put('b', large(2))
        const elsewhere = await temporary.open(database.directory, { versioning })
        const view = replicationStore(elsewhere).collection('_default', 'things') as ReplicationCollection
        view.keepBases?.({ takesDeltas: true })
        view.setRemoteAncestors(view.remoteId('peer'), [{ id: 'a', revId }])
        elsewhere.collection('things').put('a', large(2))
        expect(kept(2)).to.deep.equal(['a'])
        database.deleteCollection('things')
        expect(kept(2)).to.deep.equal([])
        expect(database[internals].engine.reader.valuesIn('bases')).to.deep.equal([])
      })

    if (place === 'on disk')
      it('come along with a copy, and stay when the database is compacted', async () => {
        items.keepBases?.({ takesDeltas: true })
        const first = put('a', large(1))
        note('a', first)
        const second = put('a', large(2))
        database.compact()
        expect(body('a', first)).to.deep.equal(large(1))
        const to = temporary.directory()
        await Database.copy(database.directory, to)
        database = await temporary.open(to, { versioning })
        items = viewOf(database)
        expect([body('a', first), body('a', second)]).to.deep.equal([large(1), large(2)])
        note('a', put('a', large(3)))
        expect(kept()).to.deep.equal([])
      })

    if (place === 'on disk' && versioning === 'rev-trees')
      it('survive the upgrade to version vectors, and go by the same rules afterwards', async () => {
        items.keepBases?.({ takesDeltas: true })
        const revisions = ['a', 'b', 'c'].map((id) => {
          const first = put(id, large(1))
          note(id, first)
          put(id, large(2))
          return first
        })
        const { directory } = database
        await database.close()
        database = await temporary.open(directory, { versioning: 'version-vectors' })
        items = viewOf(database)
        const bodies = (): unknown[] => revisions.map((revId, index) => body(['a', 'b', 'c'][index] as string, revId))
        expect(bodies()).to.deep.equal([large(1), large(1), large(1)])
        // Replaced by versions of the new kind, while the peer is still at the old revision.
        for (const id of ['a', 'b', 'c']) expect(put(id, large(3))).to.include('@')
        expect(bodies()).to.deep.equal([large(1), large(1), large(1)])
        note('a', items.change('a')?.revId ?? '')
        items.purge(['b'])
        database.collection().remove('c')
        expect(kept()).to.deep.equal([])
      })

    if (place === 'on disk')
      it('survive closing, and so does the wish to keep them', async () => {
        items.keepBases?.({ takesDeltas: true, served: 0 })
        const first = put('a', large(1))
        const second = put('b', large(1))
        put('c', large(1))
        items.keepBases?.({ takesDeltas: true, served: 2, durably: true })
        put('a', large(2))
        const { directory } = database
        await database.close()
        database = await temporary.open(directory, { versioning })
        items = viewOf(database)
        expect(body('a', first)).to.deep.equal(large(1))
        put('b', large(2))
        put('c', large(2))
        expect(body('b', second)).to.deep.equal(large(1))
        expect(kept()).to.deep.equal(['a', 'b'])
      })
  })
}
