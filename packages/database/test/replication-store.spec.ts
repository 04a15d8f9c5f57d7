import { expect } from 'chai'
import type { IncomingRevision, ReplicationCollection } from '@kithmesh/database/replication'
import {
  compareRevisions,
  eraOf,
  generationOf,
  makeLiftId,
  makeRevisionId,
  replicationStore,
  tombstoneIdFor
} from '@kithmesh/database/replication'
import type { Database } from '@kithmesh/database'
import { eventually } from '@kithmesh/testkit'
import { Temporary, thrownBy } from './temporary.ts'

const temporary = new Temporary()

function incoming(id: string, revId: string, history: string[] = [], more: Partial<IncomingRevision> = {}): IncomingRevision {
  return {
    id,
    revId,
    history,
    deleted: false,
    body: Buffer.from(JSON.stringify({ is: revId })),
    hasBlobs: false,
    onConflict: 'refuse',
    ...more
  }
}

for (const place of ['on disk', 'in memory']) {
  describe(`the replication view of a database ${place}`, () => {
    let database: Database
    let items: ReplicationCollection
    beforeEach(async () => {
      database = await temporary.open(place === 'in memory' ? ':memory:' : undefined)
      items = replicationStore(database).collection('_default', '_default') as ReplicationCollection
    })
    afterEach(async () => {
      await temporary.clean()
    })
    const insert = (revision: IncomingRevision): unknown => items.insertRevisions([revision])[0]
    const text = (id: string): string => Buffer.from(items.revision(id)?.body ?? []).toString()

    it('purges what is still as it may go, and tells what was there', () => {
      const remote = items.remoteId('peer')
      for (const id of ['a', 'b', 'c']) insert(incoming(id, '1-aa', [], { remote }))
      insert(incoming('c', '2-cc', ['1-aa']))
      const asked: unknown[] = []
      const purged = items.purge(
        ['c', 'a', 'none'],
        (entry) => {
          asked.push([entry.id, entry.revId, entry.remoteRevId])
          return entry.remoteRevId === entry.revId
        },
        remote
      )
      expect(asked).to.deep.equal([
        ['c', '2-cc', '1-aa'],
        ['a', '1-aa', '1-aa']
      ])
      expect(purged).to.deep.equal([
        { sequence: 1, id: 'a', revId: '1-aa', deleted: false, conflicted: false, bodySize: 13, remoteRevId: '1-aa', elsewhere: true }
      ])
      expect(items.changesSince(0, 10).map(({ id }) => id)).to.deep.equal(['b', 'c'])
      expect(items.purge(['c', 'none']).map(({ id, remoteRevId }) => [id, remoteRevId])).to.deep.equal([['c', undefined]])
      expect(items.purge(['c'], () => expect.fail('there is nothing to ask about'))).to.deep.equal([])
    })

    if (place === 'on disk')
      it('asks before a purge about the documents as other processes left them', async () => {
        insert(incoming('a', '1-aa'))
        expect(items.change('a')?.revId).to.equal('1-aa')
        const elsewhere = await temporary.open(database.directory)
        const edit = elsewhere.collection().put('a', { edited: true })
        expect(items.purge(['a'], ({ revId }) => revId === '1-aa')).to.deep.equal([])
        expect(items.change('a')?.revId).to.equal(edit.revId)
      })

    it('stores new documents and gives them back as they came', () => {
      const body = Buffer.from('{ "b": 1,  "a": 2.0 }')
      expect(insert(incoming('a', '2-bb', ['1-aa'], { body, hasBlobs: true }))).to.deep.equal({ status: 'stored', sequence: 1 })
      const revision = items.revision('a')
      expect(Buffer.from(revision?.body ?? []).toString()).to.equal(body.toString())
      expect({ ...revision, body: undefined }).to.deep.equal({
        id: 'a',
        revId: '2-bb',
        sequence: 1,
        deleted: false,
        history: ['1-aa'],
        hasBlobs: true,
        body: undefined
      })
      expect(items.change('a')).to.deep.equal({
        sequence: 1,
        id: 'a',
        revId: '2-bb',
        deleted: false,
        conflicted: false,
        bodySize: body.length
      })
      expect(items.changesSince(0, 10)).to.have.length(1)
      expect(database.collection().get('a')?.body).to.deep.equal({ a: 2, b: 1 })
    })
    it('goes on from a known revision and fills the gap of a history', () => {
      insert(incoming('a', '1-aa'))
      expect(insert(incoming('a', '4-dd', ['3-cc', '2-bb', '1-aa']))).to.deep.equal({ status: 'stored', sequence: 2 })
      expect(items.revision('a')?.history).to.deep.equal(['3-cc', '2-bb', '1-aa'])
    })
    it('knows revisions and their ancestors again', () => {
      insert(incoming('a', '3-cc', ['2-bb', '1-aa']))
      for (const revId of ['3-cc', '2-bb', '1-aa']) expect(insert(incoming('a', revId)), revId).to.deep.equal({ status: 'known' })
      expect(items.lastSequence).to.equal(1)
    })
    it('refuses what would branch, and stores it as a conflict when asked to', () => {
      insert(incoming('a', '2-bb', ['1-aa']))
      expect(insert(incoming('a', '2-cc', ['1-aa']))).to.deep.equal({ status: 'conflict', revId: '2-bb' })
      expect(insert(incoming('a', '2-cc', ['1-aa'], { onConflict: 'branch' }))).to.deep.equal({ status: 'conflicted', sequence: 2 })
      expect(items.change('a')).to.include({ revId: '2-cc', conflicted: true })
      const conflict = items.conflict('a')
      expect([conflict?.local.revId, conflict?.remote.revId]).to.deep.equal(['2-bb', '2-cc'])
      expect(conflict?.local.history).to.deep.equal(['1-aa'])
      expect(Buffer.from(conflict?.local.body ?? []).toString()).to.equal('{"is":"2-bb"}')
      expect(items.conflicts(10).map(({ id }) => id)).to.deep.equal(['a'])
      expect(items.conflicts(10, 'a')).to.deep.equal([])
    })
    it('lets a bad revision fail alone', () => {
      const outcomes = items.insertRevisions([
        incoming('a', '1-aa'),
        incoming('_bad', '1-aa'),
        incoming('b', '1-AA'),
        incoming('c', '2-aa', ['2-bb']),
        incoming('d', '1-aa'),
        incoming('x'.repeat(256), '1-aa')
      ])
      expect(outcomes.map(({ status }) => status)).to.deep.equal(['stored', 'failed', 'failed', 'failed', 'stored', 'failed'])
      expect(
        outcomes
          .map((outcome) => (outcome.status === 'failed' ? (outcome.error as Error & { code?: string }).code : ''))
          .filter((code) => code !== '')
      ).to.deep.equal(['ERR_DB_DOCUMENT_ID', 'ERR_DB_REVISION_ID', 'ERR_DB_REVISION_ID', 'ERR_DB_DOCUMENT_ID'])
      expect(items.lastSequence).to.equal(2)
    })
    it('inserts several revisions of one document in one call', () => {
      const outcomes = items.insertRevisions([incoming('a', '1-aa'), incoming('a', '2-bb', ['1-aa']), incoming('a', '2-bb', ['1-aa'])])
      expect(outcomes).to.deep.equal([{ status: 'stored', sequence: 1 }, { status: 'stored', sequence: 2 }, { status: 'known' }])
      expect(items.changesSince(0, 10).map(({ sequence, revId }) => [sequence, revId])).to.deep.equal([[2, '2-bb']])
    })
    it('stores tombstones without content and gives an empty object', () => {
      insert(incoming('a', '1-aa'))
      expect(insert(incoming('a', '2-bb', ['1-aa'], { deleted: true, body: Buffer.from('{}') }))).to.include({ status: 'stored' })
      expect(items.revision('a')).to.include({ deleted: true })
      expect(text('a')).to.equal('{}')
      expect(database.collection().get('a')).to.equal(undefined)
      expect(database.collection().count).to.equal(0)
    })
    it('takes a new document in the place of a deleted one', () => {
      insert(incoming('a', '2-bb', ['1-aa'], { deleted: true, body: Buffer.from('{}') }))
      const successor = makeLiftId('1-cc', false, '{"is":"1-cc"}', 1)
      expect(insert(incoming('a', '1-cc'))).to.deep.equal({ status: 'stored', sequence: 2, successor })
      expect(items.change('a')).to.include({ revId: successor, deleted: false, conflicted: false })
      expect(items.revision('a')?.history).to.deep.equal(['1-cc'])
      expect(insert(incoming('a', '2-bb', ['1-aa'], { deleted: true }))).to.deep.equal({ status: 'known' })
    })
    describe('made anew by a foreign peer', () => {
      const tombstone = incoming('a', '2-bb', ['1-aa'], { deleted: true, body: Buffer.from('{}') })
      const anew = incoming('a', '3-cc', ['2-bb', '1-aa'])
      const edit = incoming('a', '4-dd', ['3-cc', '2-bb', '1-aa'])
      const lifted = (): string => items.change('a')?.revId ?? ''
      for (const onConflict of ['refuse', 'branch'] as const) {
        it(`takes its next edit, made without knowing of ours (${onConflict})`, () => {
          for (const revision of [tombstone, anew]) insert({ ...revision, onConflict })
          expect(items.checkProposals([{ id: 'a', revId: '4-dd', parentRevId: '3-cc' }])).to.deep.equal([0])
          expect(insert({ ...edit, onConflict })).to.include({ status: 'stored' })
          expect([text('a'), items.change('a')?.conflicted, items.revision('a')?.history[0]]).to.deep.equal([
            '{"is":"4-dd"}',
            false,
            '4-dd'
          ])
          const second = incoming('a', '5-ee', ['4-dd', '3-cc'], { onConflict })
          expect(insert(second)).to.include({ status: 'stored' })
          expect(text('a')).to.equal('{"is":"5-ee"}')
        })
      }
      it('refuses its next edit when the document was edited here as well', () => {
        for (const revision of [tombstone, anew]) insert(revision)
        const { revId } = database.collection().put('a', { edited: 'here' })
        expect(items.checkProposals([{ id: 'a', revId: '4-dd', parentRevId: '3-cc' }])).to.deep.equal([{ status: 409, rev: revId }])
        expect(insert(edit)).to.deep.equal({ status: 'conflict', revId })
      })
      it('comes to the same revision in whatever order the edit and what another peer made of its parent arrive', () => {
        for (const revision of [tombstone, anew]) insert(revision)
        const lift = incoming('a', lifted(), ['3-cc', '2-bb', '1-aa'], { body: Buffer.from('{"is":"3-cc"}') })
        insert(edit)
        const first = lifted()
        expect(insert(lift)).to.deep.equal({ status: 'known' })
        items.purge(['a'])
        insert({ ...edit, onConflict: 'branch' })
        expect(insert({ ...lift, onConflict: 'branch' })).to.include({ status: 'stored', successor: first })
        expect([lifted(), text('a'), items.change('a')?.conflicted]).to.deep.equal([first, '{"is":"4-dd"}', false])
      })
    })
    it('answers what of a change list is missing', () => {
      insert(incoming('a', '3-cc', ['2-bb', '1-aa']))
      insert(
        incoming(
          'b',
          '15-aa',
          Array.from({ length: 14 }, (_, index) => `${14 - index}-aa`)
        )
      )
      expect(
        items.findMissing([
          { id: 'new', revId: '1-aa' },
          { id: 'a', revId: '3-cc' },
          { id: 'a', revId: '2-bb' },
          { id: 'a', revId: '3-dd' },
          { id: 'a', revId: '4-dd' }
        ])
      ).to.deep.equal([[], 'known', 'known', ['2-bb', '1-aa'], ['3-cc', '2-bb', '1-aa']])
      expect(items.findMissing([{ id: 'b', revId: '20-bb' }])[0]).to.have.length(10)
    })
    it('judges proposals by the rule of conflict-free peers', () => {
      insert(incoming('a', '2-bb', ['1-aa']))
      insert(incoming('gone', '2-bb', ['1-aa'], { deleted: true }))
      expect(
        items.checkProposals([
          { id: 'new', revId: '1-aa', parentRevId: '' },
          { id: 'a', revId: '2-bb', parentRevId: '1-aa' },
          { id: 'a', revId: '3-cc', parentRevId: '2-bb' },
          { id: 'gone', revId: '1-cc', parentRevId: '' },
          { id: 'a', revId: '2-cc', parentRevId: '1-aa' },
          { id: 'a', revId: '1-cc', parentRevId: '' }
        ])
      ).to.deep.equal([0, 304, 0, 0, { status: 409, rev: '2-bb' }, { status: 409, rev: '2-bb' }])
    })

    describe('resolving a conflict', () => {
      beforeEach(() => {
        insert(incoming('a', '3-bb', ['2-bb', '1-aa'], { body: Buffer.from('{"who":"local"}') }))
        insert(incoming('a', '2-cc', ['1-aa'], { onConflict: 'branch', body: Buffer.from('{"who":"remote"}') }))
      })
      it('in favour of the higher side adds nothing and drops the other branch', () => {
        const change = items.resolveConflict('a', '3-bb', '2-cc', { take: 'local' })
        expect(change).to.include({ revId: '3-bb', conflicted: false, sequence: 3 })
        expect(text('a')).to.equal('{"who":"local"}')
        expect(items.revision('a')?.history).to.deep.equal(['2-bb', '1-aa'])
        expect(items.conflicts(10)).to.deep.equal([])
      })
      it('in favour of the lower side makes it a child of the higher one', () => {
        const change = items.resolveConflict('a', '3-bb', '2-cc', { take: 'remote' })
        expect(change).to.include({ revId: makeRevisionId('3-bb', false, '{"who":"remote"}'), conflicted: false })
        expect(text('a')).to.equal('{"who":"remote"}')
        expect(items.revision('a')?.history).to.deep.equal(['3-bb', '2-bb', '1-aa'])
      })
      it('with a merged body makes the same revision on every peer, whichever side each had', async () => {
        const merged = { take: 'merged', body: Buffer.from('{"b":1,"a":2}') } as const
        const one = items.resolveConflict('a', '3-bb', '2-cc', merged)
        expect(one.revId).to.equal(makeRevisionId('3-bb', false, '{"a":2,"b":1}'))
        expect(text('a')).to.equal('{"b":1,"a":2}')
        const other = replicationStore(await temporary.open(':memory:')).collection('_default', '_default') as ReplicationCollection
        other.insertRevisions([incoming('a', '2-cc', ['1-aa'])])
        other.insertRevisions([incoming('a', '3-bb', ['2-bb', '1-aa'], { onConflict: 'branch' })])
        expect(other.resolveConflict('a', '2-cc', '3-bb', merged).revId).to.equal(one.revId)
      })
      it('with a merged body that the higher side has already adds nothing', () => {
        const change = items.resolveConflict('a', '3-bb', '2-cc', { take: 'merged', body: Buffer.from('{ "who": "local" }') })
        expect(change).to.include({ revId: '3-bb', conflicted: false })
      })
      it('with nothing leaves a tombstone on the higher revision', () => {
        expect(items.resolveConflict('a', '3-bb', '2-cc', { take: 'deleted' })).to.include({
          revId: makeRevisionId('3-bb', true, '{}'),
          deleted: true,
          conflicted: false
        })
      })
      it('against a tombstone begins a new era, which outranks it everywhere', () => {
        insert(incoming('gone', '1-aa'))
        insert(incoming('gone', '2-bb', ['1-aa'], { deleted: true, onConflict: 'branch' }))
        insert(incoming('gone', '9-cc', ['8-cc'], { onConflict: 'branch' }))
        expect(items.change('gone')).to.include({ revId: '2-bb', deleted: true, conflicted: true })
        const { revId } = items.resolveConflict('gone', '2-bb', '9-cc', { take: 'remote' })
        expect([generationOf(revId), eraOf(revId)]).to.deep.equal([3, 1])
        expect(compareRevisions({ revId, deleted: false }, { revId: '9-cc', deleted: true })).to.be.greaterThan(0)
      })
      it('fails when a side is no longer current', () => {
        expect(thrownBy(() => items.resolveConflict('a', '2-bb', '2-cc', { take: 'remote' })).code).to.equal('ERR_DB_CONFLICT')
        items.resolveConflict('a', '3-bb', '2-cc', { take: 'remote' })
        expect(thrownBy(() => items.resolveConflict('a', '3-bb', '2-cc', { take: 'remote' })).code).to.equal('ERR_DB_CONFLICT')
        expect(thrownBy(() => items.resolveConflict('zz', '3-bb', '2-cc', { take: 'remote' })).code).to.equal('ERR_DB_NO_DOCUMENT')
      })
      it('remembers the lost branch, so that a peer that still has it is not a new conflict and can be told', () => {
        items.resolveConflict('a', '3-bb', '2-cc', { take: 'local' })
        expect(insert(incoming('a', '2-cc', ['1-aa'], { onConflict: 'branch' }))).to.deep.equal({ status: 'known' })
        expect(items.closingTombstone('a', '2-cc')).to.equal(tombstoneIdFor('2-cc'))
        expect(items.closingTombstone('a', '3-bb')).to.equal(undefined)
      })
      it('goes on linearly afterwards; an edit or a deletion of the lost branch is a conflict again', () => {
        items.resolveConflict('a', '3-bb', '2-cc', { take: 'local' })
        expect(database.collection().put('a', { next: true }).revId).to.match(/^4-/)
        expect(items.change('a')).to.include({ conflicted: false })
        expect(insert(incoming('a', '3-ee', ['2-cc', '1-aa'], { onConflict: 'branch' }))).to.include({ status: 'conflicted' })
        const deletion = incoming('a', tombstoneIdFor('2-cc'), ['2-cc', '1-aa'], { onConflict: 'branch', deleted: true })
        expect(insert(deletion)).to.include({ status: 'conflicted' })
      })
      it('needs no conflict to spread to a peer that has the lost branch', async () => {
        items.resolveConflict('a', '3-bb', '2-cc', { take: 'local' })
        const other = replicationStore(await temporary.open(':memory:')).collection('_default', '_default') as ReplicationCollection
        other.insertRevisions([incoming('a', '2-cc', ['1-aa'])])
        const deletedBranch = items.closingTombstone('a', '2-cc') as string
        const winner = incoming('a', '3-bb', ['2-bb', '1-aa'])
        expect(other.insertRevisions([winner])[0]).to.include({ status: 'conflict' })
        expect(other.insertRevisions([{ ...winner, deletedBranch: tombstoneIdFor('9-99') }])[0]).to.include({ status: 'conflict' })
        const outcome = other.insertRevisions([{ ...winner, deletedBranch }])[0]
        expect(outcome).to.deep.equal({ status: 'stored', sequence: 2 })
        expect(other.change('a')).to.include({ revId: '3-bb', conflicted: false })
      })
      it("lets a sender's decision against the order stand, as a child that outranks what it overruled", () => {
        insert(incoming('b', '3-bb', ['2-bb', '1-aa']))
        const outcome = insert(incoming('b', '2-cc', ['1-aa'], { deletedBranch: tombstoneIdFor('3-bb') }))
        const { revId } = items.change('b') ?? { revId: '' }
        expect(outcome).to.deep.equal({ status: 'stored', sequence: items.lastSequence, successor: revId })
        expect(items.revision('b')?.history).to.deep.equal(['2-cc', '1-aa'])
        expect(text('b')).to.equal('{"is":"2-cc"}')
        expect(compareRevisions({ revId, deleted: false }, { revId: '3-bb', deleted: false })).to.be.greaterThan(0)
      })
      it('puts its outcome on top of a lost branch for a peer that takes nothing else', () => {
        items.resolveConflict('a', '3-bb', '2-cc', { take: 'local' })
        expect([items.graft?.('a', '3-bb'), items.graft?.('a', '9-99'), items.graft?.('none', '1-aa')]).to.deep.equal([false, false, false])
        expect(items.graft?.('a', '2-cc')).to.equal(true)
        const { revId, conflicted } = items.change('a') ?? { revId: '', conflicted: true }
        expect([conflicted, text('a'), items.revision('a')?.history]).to.deep.equal([false, '{"who":"local"}', ['2-cc', '1-aa']])
        expect(compareRevisions({ revId, deleted: false }, { revId: '3-bb', deleted: false })).to.be.greaterThan(0)
        expect(items.closingTombstone('a', '3-bb')).to.equal(tombstoneIdFor('3-bb'))
        expect(database.collection().put('a', { next: true }).revId).to.match(/^4-/)
      })
      it('handles three branches one after the other', () => {
        insert(incoming('a', '2-dd', ['1-aa'], { onConflict: 'branch' }))
        for (let round = 0; round < 2; round += 1) {
          const conflict = items.conflict('a')
          expect(conflict, `round ${round}`).to.not.equal(undefined)
          items.resolveConflict('a', conflict?.local.revId ?? '', conflict?.remote.revId ?? '', { take: 'remote' })
        }
        expect(items.change('a')).to.include({ conflicted: false })
      })
    })

    describe('what remotes have', () => {
      it('is kept per remote and document, through changes of the document', () => {
        const [first, second] = [items.remoteId('peer-1'), items.remoteId('peer-2')]
        expect([items.remoteId('peer-1'), first === second]).to.deep.equal([first, false])
        insert(incoming('a', '1-aa', [], { remote: first }))
        expect(items.remoteAncestors(first, [{ id: 'a' }, { id: 'b' }])).to.deep.equal(['1-aa', undefined])
        expect(items.remoteAncestor(second, 'a')).to.equal(undefined)
        items.setRemoteAncestors(second, [
          { id: 'a', revId: '1-aa' },
          { id: 'unknown', revId: '1-aa' }
        ])
        insert(incoming('a', '2-bb', ['1-aa'], { remote: first }))
        expect([items.remoteAncestor(first, 'a'), items.remoteAncestor(second, 'a')]).to.deep.equal(['2-bb', '1-aa'])
        const { revId } = database.collection().put('a', { mine: 1 })
        expect([items.remoteAncestor(first, 'a'), items.remoteAncestor(second, 'a')]).to.deep.equal(['2-bb', '1-aa'])
        items.setRemoteAncestors(second, [{ id: 'a', revId }])
        expect(items.remoteAncestor(second, 'a')).to.equal(revId)
        expect(items.revision('a')?.history).to.deep.equal(['2-bb', '1-aa'])
        expect(items.change('a')).to.include({ sequence: 3 })
      })
      it('is not noted for a revision that was refused, because nothing here descends from it', () => {
        const remote = items.remoteId('peer')
        insert(incoming('a', '2-bb', ['1-aa'], { remote }))
        expect(insert(incoming('a', '2-cc', ['1-aa'], { remote }))).to.include({ status: 'conflict' })
        expect(items.remoteAncestor(remote, 'a')).to.equal('2-bb')
        expect(insert(incoming('a', '1-aa', [], { remote }))).to.include({ status: 'known' })
        expect(items.remoteAncestor(remote, 'a')).to.equal('1-aa')
      })
      it('is kept through conflicts and their resolution', () => {
        const remote = items.remoteId('peer')
        insert(incoming('a', '2-bb', ['1-aa']))
        insert(incoming('a', '2-cc', ['1-aa'], { onConflict: 'branch', remote }))
        expect(items.remoteAncestor(remote, 'a')).to.equal('2-cc')
        items.resolveConflict('a', '2-bb', '2-cc', { take: 'local' })
        expect(items.remoteAncestor(remote, 'a')).to.equal('2-cc')
      })
      it('stays in the history however many changes are made meanwhile', () => {
        const remote = items.remoteId('peer')
        insert(incoming('a', '1-aa', [], { remote }))
        insert(incoming('b', '1-aa'))
        for (let n = 0; n < 40; n += 1) for (const id of ['a', 'b']) database.collection().put(id, { n })
        expect(items.revision('a')?.history).to.have.length(40).and.to.include('1-aa')
        expect(items.revision('b')?.history).to.have.length(19)
        for (let n = 0; n < 220; n += 1) database.collection().put('a', { n })
        expect(items.revision('a')?.history.at(-1)).to.equal('1-aa')
        expect(items.revision('a')?.history).to.have.length.below(200)
      })
      it('bridges the gap when the remote went on further than its history tells', () => {
        const remote = items.remoteId('peer')
        insert(incoming('a', '1-aa', [], { remote }))
        expect(insert(incoming('a', '30-bb', ['29-bb', '28-bb'], { remote, onConflict: 'branch' }))).to.include({ status: 'stored' })
        expect(items.revision('a')?.history).to.deep.equal(['29-bb', '28-bb', '1-aa'])
        insert(incoming('gone', '2-bb', ['1-aa'], { deleted: true, remote }))
        expect(insert(incoming('gone', '30-bb', ['29-bb', '28-bb'], { remote, onConflict: 'branch' }))).to.include({ status: 'conflicted' })
        database.collection().put('a', { mine: 1 })
        expect(insert(incoming('a', '60-bb', ['59-bb'], { remote, onConflict: 'branch' }))).to.include({ status: 'conflicted' })
      })
    })

    it('keeps checkpoints of peers with check-and-set, and its own', () => {
      const store = replicationStore(database)
      expect(store.getPeerCheckpoint('cp-1')).to.equal(undefined)
      expect(store.setPeerCheckpoint('cp-1', '1-cc', Buffer.from('{}'))).to.equal(undefined)
      const rev = store.setPeerCheckpoint('cp-1', '', Buffer.from('{"a":1}\n')) as string
      expect(store.setPeerCheckpoint('cp-1', '', Buffer.from('{}'))).to.equal(undefined)
      const next = store.setPeerCheckpoint('cp-1', rev, Buffer.from('{"a":2}\n'))
      const kept = store.getPeerCheckpoint('cp-1')
      expect([kept?.rev, Buffer.from(kept?.body ?? []).toString()]).to.deep.equal([next, '{"a":2}\n'])
      store.setLocalCheckpoint('x', Buffer.from('here'))
      expect(Buffer.from(store.getLocalCheckpoint('x') ?? []).toString()).to.equal('here')
      store.setLocalCheckpoint('x', undefined)
      expect(store.getLocalCheckpoint('x')).to.equal(undefined)
    })
    it('purges documents with all that was known of them', () => {
      const remote = items.remoteId('peer')
      insert(incoming('a', '1-aa', [], { remote }))
      insert(incoming('a', '1-bb', [], { onConflict: 'branch' }))
      items.purge(['a', 'unknown'])
      expect([items.change('a'), items.remoteAncestor(remote, 'a'), items.conflicts(10)]).to.deep.equal([undefined, undefined, []])
    })
    it('tells listeners once per turn, later, and not for what changes no document', async () => {
      let calls = 0
      const end = items.onChanged(() => {
        calls += 1
      })
      insert(incoming('a', '1-aa'))
      insert(incoming('b', '1-aa'))
      expect(calls).to.equal(0)
      await eventually('the listener to be called', () => calls > 0)
      await new Promise((resolve) => {
        setTimeout(resolve, 20)
      })
      expect(calls).to.equal(1)
      end()
      end()
      insert(incoming('c', '1-aa'))
      await new Promise((resolve) => {
        setTimeout(resolve, 20)
      })
      expect(calls).to.equal(1)
    })
    it('has no collection that does not exist', () => {
      expect(replicationStore(database).collection('shop', 'items')).to.equal(undefined)
      database.collection('items', 'shop', { create: true })
      expect(replicationStore(database).collection('shop', 'items')).to.include({ scope: 'shop', name: 'items', lastSequence: 0 })
    })
  })
}
