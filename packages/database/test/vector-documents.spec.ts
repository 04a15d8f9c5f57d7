import { expect } from 'chai'
import { systemClock } from '@kithmesh/core'
import type { Collection, Database } from '@kithmesh/database'
import { formatVector, isVersion, parseVector, replicationStore } from '@kithmesh/database/replication'
import type { ConflictedDocument, IncomingRevision, ReplicationCollection } from '@kithmesh/database/replication'
import { Temporary, thrownBy } from './temporary.ts'

const START = Date.UTC(2026, 5, 1)
const A = 'AliceAliceAliceAliceAA'
const B = 'BobBobBobBobBobBobBobA'
const C = 'CarolCarolCarolCarolCA'

/** A time `n` ms after the start, as the other side's clock would tell it. */
const at = (n: number): string => (BigInt(START + n) * 1_000_000n).toString(16)
const text = (body: Uint8Array | undefined): string => Buffer.from(body ?? []).toString()

describe('documents with version vectors', () => {
  const temporary = new Temporary()
  let database: Database
  let items: Collection
  let peer: ReplicationCollection
  let now: number

  beforeEach(async () => {
    now = START
    database = await temporary.open(':memory:', { versioning: 'version-vectors', clock: { ...systemClock, now: () => now } })
    items = database.collection()
    peer = replicationStore(database).collection('_default', '_default') as ReplicationCollection
  })
  afterEach(async () => {
    await temporary.clean()
  })

  function incoming(vector: string, body: object | undefined, more: Partial<IncomingRevision> = {}): IncomingRevision {
    return {
      id: 'doc',
      ...parseVector(vector),
      deleted: body === undefined,
      body: Buffer.from(JSON.stringify(body ?? {})),
      hasBlobs: false,
      onConflict: 'branch',
      ...more
    }
  }
  const insert = (...args: Parameters<typeof incoming>): string => peer.insertRevisions([incoming(...args)])[0]?.status ?? ''
  const vector = (id = 'doc'): string => {
    const revision = peer.revision(id)
    return revision === undefined ? '' : formatVector(revision)
  }
  const conflict = (): ConflictedDocument => peer.conflict('doc') as ConflictedDocument

  it('are told apart by their database', () => {
    expect(database.versioning).to.equal('version-vectors')
    expect(replicationStore(database).versioning).to.equal('version-vectors')
  })

  describe('edited here', () => {
    it('get a version of this database for every change, later than the one before', () => {
      const first = items.put('doc', { a: 1 })
      const second = items.put('doc', { a: 1 })
      expect(isVersion(first.revId) && isVersion(second.revId)).to.equal(true)
      expect(second.revId > first.revId).to.equal(true)
      expect(second.revId.slice(-22)).to.equal(first.revId.slice(-22))
      expect(vector()).to.equal(second.revId)
      expect(items.get('doc')?.revId).to.equal(second.revId)
    })

    it('are protected by the parent that is named', () => {
      const first = items.put('doc', { a: 1 }, { parent: '' })
      items.put('doc', { a: 2 }, { parent: first.revId })
      expect(thrownBy(() => items.put('doc', { a: 3 }, { parent: first.revId })).code).to.equal('ERR_DB_CONFLICT')
      expect(thrownBy(() => items.put('doc', { a: 3 }, { parent: '' })).code).to.equal('ERR_DB_CONFLICT')
      expect(thrownBy(() => items.put('other', {}, { parent: first.revId })).code).to.equal('ERR_DB_CONFLICT')
    })

    it('leave a tombstone and can be made anew', () => {
      const first = items.put('doc', { a: 1 })
      const tombstone = items.remove('doc', { parent: first.revId })
      expect(items.get('doc')).to.equal(undefined)
      expect(peer.revision('doc')).to.include({ deleted: true, revId: tombstone?.revId })
      expect(text(peer.revision('doc')?.body)).to.equal('{}')
      const anew = items.put('doc', { a: 2 }, { parent: '' })
      expect(vector()).to.equal(anew.revId)
      expect(items.count).to.equal(1)
    })

    it('keep what they descend from', () => {
      insert(`${at(-5)}@${A}, ${at(-6)}@${A}, ${at(-7)}@${B}; ${at(-9)}@${C}`, { a: 1 })
      const { revId } = items.put('doc', { a: 2 })
      expect(vector()).to.equal(`${revId}; ${at(-5)}@${A}, ${at(-7)}@${B}, ${at(-9)}@${C}`)
      expect(peer.revision('doc')?.merges).to.equal(undefined)
    })

    it('are later than what they replace even when the other clock is ahead', () => {
      insert(`${at(90_000)}@${A}`, { a: 1 })
      const { revId } = items.put('doc', { a: 2 })
      expect(revId > `${at(90_000)}@`).to.equal(true)
    })

    it('may be written many at once', () => {
      const saved = items.putMany(['a', 'b', 'c'].map((id) => ({ id, body: { id } })))
      expect(new Set(saved.map(({ revId }) => revId)).size).to.equal(3)
    })
  })

  describe('from a peer', () => {
    it('are stored with their vector', () => {
      const whole = `${at(-5)}@${A}, ${at(-6)}@${A}, ${at(-7)}@${B}; ${at(-9)}@${C}, 2-abcd, 1-ef`
      expect(insert(whole, { a: 1 })).to.equal('stored')
      expect(vector()).to.equal(whole)
      expect(peer.revision('doc')).to.include({ merges: 2, deleted: false })
      expect(peer.revisions([{ id: 'doc', sequence: 1 }])[0]).to.deep.equal(peer.revision('doc'))
      expect(peer.revision('doc', `${at(-9)}@${C}`)).to.equal(undefined)
    })

    it('replace what they descend from, and are known when we have them or more', () => {
      const { revId } = items.put('doc', { a: 1 })
      expect(insert(`${at(5)}@${A}; ${revId}`, { a: 2 })).to.equal('stored')
      expect(insert(`${at(5)}@${A}; ${revId}`, { a: 2 })).to.equal('known')
      expect(insert(revId, { a: 1 })).to.equal('known')
      expect(insert(`${at(4)}@${A}`, { a: 0 })).to.equal('known')
      expect(text(peer.revision('doc')?.body)).to.equal('{"a":2}')
    })

    it('keep what only we knew: it was decided before them', () => {
      insert(`${at(-5)}@${A}; ${at(-7)}@${C}`, { a: 1 })
      insert(`${at(-4)}@${B}; ${at(-5)}@${A}`, { a: 2 })
      expect(vector()).to.equal(`${at(-4)}@${B}; ${at(-5)}@${A}, ${at(-7)}@${C}`)
    })

    it('are refused or kept as a conflict, as the caller says', () => {
      const { revId } = items.put('doc', { a: 1 })
      const rival = `${at(5)}@${A}`
      expect(peer.insertRevisions([incoming(rival, { a: 2 }, { onConflict: 'refuse' })])).to.deep.equal([{ status: 'conflict', revId }])
      expect(insert(rival, { a: 2 })).to.equal('conflicted')
      expect(items.get('doc')).to.include({ revId, conflicted: true })
      expect(conflict().local.revId).to.equal(revId)
      expect(conflict().remote).to.include({ revId: rival, deleted: false })
      expect(text(conflict().remote.body)).to.equal('{"a":2}')
      expect(text(peer.revision('doc', rival)?.body)).to.equal('{"a":2}')
      expect(insert(rival, { a: 2 })).to.equal('known')
      expect(peer.conflicts(10)).to.have.length(1)
    })

    it('replace the rival they descend from, or the whole conflict', () => {
      const { revId } = items.put('doc', { a: 1 })
      insert(`${at(5)}@${A}`, { a: 2 })
      expect(insert(`${at(6)}@${A}`, { a: 3 })).to.equal('conflicted')
      expect(conflict().remote.revId).to.equal(`${at(6)}@${A}`)
      expect(insert(`${at(7)}@${B}; ${at(6)}@${A}, ${revId}`, { a: 4 })).to.equal('stored')
      expect(peer.conflicts(10)).to.deep.equal([])
      expect(items.get('doc')?.body).to.deep.equal({ a: 4 })
    })

    it('may be in conflict several at a time, up to a bound', () => {
      items.put('doc', { a: 1 })
      const source = (n: number): string =>
        Buffer.alloc(16, n + 1)
          .toString('base64')
          .slice(0, 22)
      const results = Array.from({ length: 20 }, (_none, n) => insert(`${at(n)}@${source(n)}`, { n }))
      expect(results.filter((result) => result === 'conflicted')).to.have.length(16)
      expect(results.slice(16)).to.deep.equal(['conflict', 'conflict', 'conflict', 'conflict'])
      for (let left = 16; left > 0; left -= 1) {
        const { local, remote } = conflict()
        peer.resolveConflict('doc', local.revId, remote.revId, { take: 'local' })
      }
      expect(peer.conflict('doc')).to.equal(undefined)
    })

    for (const [what, revision] of Object.entries({
      'a local version': { revId: '5@*', history: [] },
      'a source twice': { revId: `${at(-1)}@${A}`, history: [`${at(-2)}@${B}`, `${at(-3)}@${B}`] },
      'more merge versions than versions': { revId: `${at(-1)}@${A}`, history: [`${at(-2)}@${B}`], merges: 2 },
      'a version behind a revision of a tree': { revId: '2-ab', history: [`${at(-2)}@${B}`] },
      'generations that do not fall': { revId: '2-ab', history: ['2-cd'] },
      nonsense: { revId: '%', history: [] }
    })) {
      it(`fail alone when they have ${what}`, () => {
        const outcomes = peer.insertRevisions([
          incoming(`${at(-1)}@${A}`, {}, revision),
          incoming(`${at(-1)}@${A}`, { a: 1 }, { id: 'good' })
        ])
        expect(outcomes[0]).to.have.nested.property('error.code', 'ERR_DB_REVISION_ID')
        expect(outcomes[1]?.status).to.equal('stored')
      })
    }

    it('fail when they come from more than two minutes ahead, until that time has come', () => {
      for (const ahead of [`${at(121_000)}@${A}`, `${at(-1)}@${A}; ${at(121_000)}@${B}`]) {
        const [outcome] = peer.insertRevisions([incoming(ahead, {})])
        expect(outcome).to.have.nested.property('error.code', 'ERR_DB_CLOCK_SKEW')
      }
      expect(insert(`${at(119_000)}@${A}`, {})).to.equal('stored')
      now += 60_000
      expect(insert(`${at(121_000)}@${A}`, {})).to.equal('stored')
    })

    it('make a document anew on a tombstone their sender never saw', () => {
      items.put('doc', { a: 1 })
      const tombstone = items.remove('doc')?.revId ?? ''
      expect(insert(`${at(5)}@${A}`, { a: 2 })).to.equal('conflicted')
      peer.resolveConflict('doc', tombstone, `${at(5)}@${A}`, { take: 'local' })
      expect(insert(`${at(6)}@${B}`, { a: 3 }, { onConflict: 'refuse' })).to.equal('stored')
      expect(vector()).to.match(new RegExp(`^${at(6)}@${B}; `))
      expect(vector()).to.contain(tombstone)

      const remote = peer.remoteId('gateway')
      const again = items.remove('doc')?.revId ?? ''
      peer.setRemoteAncestors(remote, [{ id: 'doc', revId: again }])
      expect(insert(`${at(9)}@${C}`, { a: 4 }, { remote })).to.equal('stored')
    })

    it('note what the remote has', () => {
      const remote = peer.remoteId('r')
      insert(`${at(5)}@${A}`, { a: 1 }, { remote })
      expect(peer.remoteAncestor(remote, 'doc')).to.equal(`${at(5)}@${A}`)
      items.put('doc', { a: 2 })
      expect(peer.remoteAncestor(remote, 'doc')).to.equal(`${at(5)}@${A}`)
    })
  })

  describe('in conflict', () => {
    let local: string
    const remote = `${at(5)}@${A}`

    beforeEach(() => {
      local = items.put('doc', { a: 1 }).revId
      insert(`${remote}; ${at(-8)}@${C}`, { a: 2 })
    })

    it('stay ours by a trivial merge', () => {
      const { sequence } = peer.resolveConflict('doc', local, remote, { take: 'local' })
      expect(vector()).to.equal(`${local}; ${remote}, ${at(-8)}@${C}`)
      expect(sequence).to.equal(peer.lastSequence)
      expect(items.get('doc')).to.deep.include({ revId: local, conflicted: false })
      expect(peer.conflicts(10)).to.deep.equal([])
      expect(insert(`${remote}; ${at(-8)}@${C}`, { a: 2 })).to.equal('known')
    })

    it('become theirs by a trivial merge', () => {
      peer.resolveConflict('doc', local, remote, { take: 'remote' })
      expect(vector()).to.equal(`${remote}; ${local}, ${at(-8)}@${C}`)
      expect(items.get('doc')?.body).to.deep.equal({ a: 2 })
    })

    it('become a true merge under a new version', () => {
      const { revId } = peer.resolveConflict('doc', local, remote, { take: 'merged', body: Buffer.from('{"a":3}') })
      expect(revId.slice(-22)).to.equal(local.slice(-22))
      expect(vector()).to.equal(`${revId}, ${remote}, ${local}; ${at(-8)}@${C}`)
      expect(peer.revision('doc')?.merges).to.equal(2)
      expect(revId > remote).to.equal(true)
    })

    it('make no version when the merge says what one side says', () => {
      peer.resolveConflict('doc', local, remote, { take: 'merged', body: Buffer.from('{ "a": 2 }') })
      expect(vector()).to.equal(`${remote}; ${local}, ${at(-8)}@${C}`)
    })

    it('may be deleted, which is a merge too', () => {
      const { revId, deleted } = peer.resolveConflict('doc', local, remote, { take: 'deleted' })
      expect(deleted).to.equal(true)
      expect(vector()).to.equal(`${revId}, ${remote}, ${local}; ${at(-8)}@${C}`)
      expect(items.get('doc')).to.equal(undefined)
    })

    it('are not resolved on what has changed meanwhile', () => {
      const edited = items.put('doc', { a: 9 }).revId
      expect(thrownBy(() => peer.resolveConflict('doc', local, remote, { take: 'local' })).code).to.equal('ERR_DB_CONFLICT')
      expect(conflict().local.revId).to.equal(edited)
      expect(thrownBy(() => peer.resolveConflict('doc', edited, local, { take: 'local' })).code).to.equal('ERR_DB_CONFLICT')
      expect(thrownBy(() => peer.resolveConflict('none', edited, local, { take: 'local' })).code).to.equal('ERR_DB_NO_DOCUMENT')
      const [seen] = items.conflicts()
      items.resolve(seen as ConflictedDocument, { take: 'remote' })
      expect(items.get('doc')?.body).to.deep.equal({ a: 2 })
    })

    it('keep the blobs of both sides', async () => {
      const blobs = await Promise.all(
        ['one', 'two', 'three'].map(async (one) => await database.blobs.saveBlob(Buffer.from(one), 'text/plain'))
      )
      const [one, two, three] = blobs
      items.put('doc', { one })
      insert(`${at(6)}@${A}; ${at(-8)}@${C}`, { two }, { hasBlobs: true })
      expect(database.compact({ blobsUnusedForMs: -1 })).to.deep.equal({ blobsRemoved: 1 })
      expect((await database.blobs.readBlob(one as never))?.toString()).to.equal('one')
      expect((await database.blobs.readBlob(two as never))?.toString()).to.equal('two')
      expect(await database.blobs.readBlob(three as never)).to.equal(undefined)
    })

    it('are forgotten with the document', () => {
      items.purge('doc')
      expect(peer.conflicts(10)).to.deep.equal([])
      expect(insert(remote, { a: 2 })).to.equal('stored')
    })
  })

  describe('decided both ways', () => {
    const a = `${at(5)}@${A}`
    const b = `${at(6)}@${B}`

    it('take the later version from a peer that told of it, and say so when ours is the later', () => {
      insert(`${a}; ${b}`, { is: 'a' })
      expect(peer.findMissing([{ id: 'doc', revId: b }])).to.deep.equal([[a]])
      expect(insert(`${b}; ${a}`, { is: 'b' })).to.equal('stored')
      expect(vector()).to.equal(`${b}; ${a}`)
      expect(peer.findMissing([{ id: 'doc', revId: a }])).to.deep.equal(['known'])
      expect(peer.insertRevisions([incoming(`${a}; ${b}, ${at(-9)}@${C}`, { is: 'a' })])[0]).to.include({ status: 'stored', successor: b })
      expect(vector()).to.equal(`${b}; ${a}, ${at(-9)}@${C}`)
    })

    it('are made anew above a lesser decision that a peer pushes', () => {
      insert(`${b}; ${a}`, { is: 'b' })
      const [outcome] = peer.insertRevisions([incoming(`${a}; ${b}`, { is: 'a' }, { onConflict: 'refuse' })])
      expect(outcome?.status).to.equal('stored')
      const revision = peer.revision('doc')
      expect(outcome).to.have.property('successor', revision?.revId)
      expect(vector()).to.equal(`${revision?.revId ?? ''}; ${b}, ${a}`)
      expect(text(revision?.body)).to.equal('{"is":"b"}')
    })

    it('never pretend that a version has another content', () => {
      insert(`${a}; ${at(7)}@${B}`, { is: 'a' })
      insert(`${b}; ${at(8)}@${A}`, { is: 'b' })
      const { revId } = peer.revision('doc') ?? { revId: '' }
      expect([a, b, `${at(7)}@${B}`, `${at(8)}@${A}`]).to.not.include(revId)
      expect(vector()).to.equal(`${revId}; ${at(8)}@${A}, ${at(7)}@${B}`)
    })

    it('are one when two peers made the same merge', () => {
      const [first, second] = [`${at(10)}@${A}`, `${at(11)}@${B}`]
      const rest = `${at(3)}@${C}, ${at(2)}@${Buffer.alloc(16, 9).toString('base64').slice(0, 22)}`
      insert(`${first}, ${rest};`, { x: 1, y: 2 })
      expect(insert(`${second}, ${rest};`, { y: 2, x: 1 })).to.equal('stored')
      expect(peer.revision('doc')).to.include({ revId: second, merges: 2 })
      expect(insert(`${first}, ${rest};`, { x: 1, y: 2 }, { onConflict: 'refuse' })).to.equal('known')
    })

    it('are put above what a peer refuses to give up', () => {
      insert(`${a}; ${b}`, { is: 'a' })
      expect(peer.graft?.('doc', `${at(4)}@${C}`)).to.equal(false)
      expect(peer.graft?.('doc', `${b}; ${a}, ${at(-9)}@${C}`)).to.equal(true)
      const revision = peer.revision('doc')
      expect(vector()).to.equal(`${revision?.revId ?? ''}; ${b}, ${a}, ${at(-9)}@${C}`)
      expect(text(revision?.body)).to.equal('{"is":"a"}')
      expect(peer.graft?.('none', b)).to.equal(false)
    })
  })

  describe('asked for by a peer', () => {
    const a = `${at(5)}@${A}`
    const b = `${at(6)}@${B}`
    const c = `${at(7)}@${C}`

    it('are answered by what we have', () => {
      expect(peer.findMissing([{ id: 'doc', revId: a }])).to.deep.equal([[]])
      insert(`${b}; ${a}`, {})
      const ask = (revId: string): unknown => peer.findMissing([{ id: 'doc', revId }])[0]
      expect(ask(b)).to.equal('known')
      expect(ask(a)).to.equal('known')
      expect(ask(`${at(4)}@${A}`)).to.equal('known')
      expect(ask(c)).to.deep.equal([b])
      expect(ask(`${at(8)}@${A}`)).to.deep.equal([b])
      expect(ask('1-ab')).to.deep.equal([b])
    })

    const propose = (revId: string, parentRevId = ''): unknown => peer.checkProposals([{ id: 'doc', revId, parentRevId }])[0]

    it('accept or refuse proposals by the rule for vectors', () => {
      expect(propose(a)).to.equal(0)
      insert(`${b}; ${a}`, {})
      expect(propose(b)).to.equal(304)
      expect(propose(a)).to.equal(304)
      expect(propose(`${at(4)}@${A}`, a)).to.equal(304)
      expect(propose(c, b)).to.equal(0)
      expect(propose(c, `${b}; ${a}`)).to.equal(0)
      expect(propose(`${at(9)}@${B}`, a)).to.equal(0)
      expect(propose(c, a)).to.deep.equal({ status: 409, rev: `${b}; ${a}` })
      expect(propose(c)).to.deep.equal({ status: 409, rev: `${b}; ${a}` })
      expect(propose('*')).to.deep.equal({ status: 409, rev: `${b}; ${a}` })
    })

    it('look at a whole vector when one is proposed', () => {
      insert(`${b}; ${a}`, {})
      expect(propose(`${c}; ${b}`)).to.equal(0)
      expect(propose(`${c}, ${b}, ${a};`)).to.equal(0)
      expect(propose(`${a}; ${at(3)}@${C}`)).to.equal(304)
      expect(propose(`${c}; ${a}`)).to.deep.equal({ status: 409, rev: `${b}; ${a}` })
      expect(propose(`${c}; ${c}`)).to.deep.equal({ status: 409, rev: `${b}; ${a}` })
    })

    it('let a document be made anew on a tombstone', () => {
      items.put('doc', {})
      items.remove('doc')
      expect(propose(a)).to.equal(0)
    })

    it('have no tombstones that close branches', () => {
      insert(`${b}; ${a}`, {})
      expect(peer.closingTombstone('doc', a)).to.equal(undefined)
    })
  })
})
