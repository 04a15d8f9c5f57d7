import { expect } from 'chai'
import type { IncomingRevision, ReplicationCollection } from '@kithmesh/database/replication'
import { eventually } from '@kithmesh/testkit'
import { BlipPair } from './support/blip-pair.ts'
import { activeSession, replicate } from './support/sessions.ts'
import { START, SimulatedPeer } from './support/simulated-peer.ts'
import { VectorMemoryStore } from './support/vector-memory-store.ts'

const [ONE, TWO] = ['AAECAwQFBgcICQoLDA0ODw', 'CydEP/CaRXquiahQgvS49A'] as [string, string]
const version = (n: number, source: string): string => `${(BigInt(START) * 1_000_000n + BigInt(n)).toString(16)}@${source}`

describe('a session with version vectors', () => {
  const documentsOf = (peer: SimulatedPeer): ReplicationCollection => peer.store.collection('_default', '_default') as ReplicationCollection
  const revision = (revId: string, history: readonly string[], value: string): IncomingRevision => ({
    id: 'd',
    revId,
    history,
    deleted: false,
    body: Buffer.from(JSON.stringify({ value })),
    hasBlobs: false,
    onConflict: 'refuse'
  })

  it('gives a decision that the peer decided the other way, and refuses, a version above both', async () => {
    const ours = await SimulatedPeer.create('version-vectors')
    const theirs = new VectorMemoryStore()
    const [earlier, later] = [version(1, ONE), version(2, TWO)]
    documentsOf(ours).insertRevisions([revision(later, [earlier], 'ours')])
    theirs.default.insertRevisions([revision(earlier, [later], 'theirs')])
    expect((await replicate(ours.store, theirs)).error).to.equal(undefined)
    expect(theirs.default.json('d')).to.deep.equal({ value: 'ours' })
    const current = theirs.default.revision('d')
    expect(current?.revId).to.equal(documentsOf(ours).revision('d')?.revId)
    expect(current?.history).to.have.members([earlier, later])
  })

  it('says merge versions and previous ones, and no limit of histories', async () => {
    const [ours, theirs] = await Promise.all([SimulatedPeer.create('version-vectors'), SimulatedPeer.create('version-vectors')])
    ours.put('d', { by: 'ours' })
    theirs.put('d', { by: 'theirs' })
    const collections = [{ conflictResolver: () => ({ take: 'merged' as const, body: { by: 'both' } }) }]
    const { pair, error } = await replicate(ours.store, theirs.store, { collections })
    expect(error).to.equal(undefined)
    expect(theirs.snapshot()).to.deep.equal(ours.snapshot())
    expect(theirs.database.collection().get('d')?.body).to.deep.equal({ by: 'both' })
    const sent = pair.seen.filter((m) => m.profile === 'rev' && m.dir === 'A>B').at(-1)
    expect(sent?.properties['history']).to.match(/^[0-9a-f]+@\S+, [0-9a-f]+@\S+;$/)
    for (const { properties } of pair.seen) expect(properties).to.not.have.property('maxHistory')
    expect(documentsOf(theirs).revision('d')?.merges).to.equal(2)
  })

  it('pushes nothing when the remote side wins', async () => {
    const [ours, theirs] = await Promise.all([SimulatedPeer.create('version-vectors'), SimulatedPeer.create('version-vectors', 1000)])
    ours.put('d', { by: 'ours' })
    theirs.put('d', { by: 'theirs' })
    const { pair, active } = await replicate(ours.store, theirs.store)
    expect(active.session.statistics).to.include({ conflictsResolved: 1, documentsPushed: 0 })
    expect(ours.snapshot()).to.deep.equal(theirs.snapshot())
    expect(pair.seen.filter((m) => m.profile === 'rev' && m.dir === 'A>B')).to.deep.equal([])
  })

  it('takes a revision from the future later, and says why not now', async () => {
    const [ours, theirs] = await Promise.all([SimulatedPeer.create('version-vectors'), SimulatedPeer.create('version-vectors', 600_000)])
    theirs.put('ahead', {})
    ours.put('now', {})
    for (let round = 0; round < 2; round++) {
      const { error, active } = await replicate(ours.store, theirs.store)
      expect(error).to.equal(undefined)
      const failed = active.documents.filter((event) => event.error !== undefined)
      // Each run asks for it again.
      expect(failed.map(({ id, transient }) => [id, transient])).to.deep.equal([['ahead', true]])
      expect(failed[0]?.error?.hint).to.include('clock')
    }
    expect(theirs.snapshot()).to.have.keys(['ahead', 'now'])
    const pushed = await replicate(theirs.store, ours.store)
    expect(pushed.active.documents.filter((event) => event.error !== undefined).map(({ id, transient }) => [id, transient])).to.deep.equal([
      ['ahead', true]
    ])
    expect(ours.snapshot()).to.have.keys(['now'])
  })

  it('asks again for a revision that is known while an earlier one of its document is on its way', async () => {
    const ours = await SimulatedPeer.create('version-vectors')
    const [deleted, anew] = [version(2, TWO), version(1, ONE)]
    documentsOf(ours).insertRevisions([{ ...revision(deleted, [], ''), deleted: true, body: Buffer.from('{}') }])
    const pair = new BlipPair()
    pair.b.handle('getCollections', (request) => {
      request.respond({ body: Buffer.from('[{}]') })
    })
    pair.b.handle('subChanges', (request) => {
      request.respond()
      const list = (entries: unknown): void => {
        pair.b.request({ profile: 'changes', properties: { collection: '0' }, body: Buffer.from(JSON.stringify(entries)) }, () => {})
      }
      list([[1, 'd', anew, 0, 2]])
      list([[2, 'd', deleted, 1, 2]])
    })
    const active = activeSession(pair.a, ours.store, { push: false })
    active.session.start()
    const answers = (): string[] => pair.seen.filter((m) => m.dir === 'A>B' && m.type === 'RES').map((m) => m.body.toString())
    await eventually('both answers', () => answers().length === 2)
    expect(answers()).to.deep.equal([`[["${deleted}"]]`, '[[]]'])
    const rev = (sequence: number, properties: Record<string, string>, body: string): void => {
      pair.b.request({
        profile: 'rev',
        properties: { collection: '0', id: 'd', sequence: String(sequence), ...properties },
        body: Buffer.from(body),
        noReply: true
      })
    }
    rev(1, { rev: anew, history: deleted }, '{"value":"anew"}')
    rev(2, { rev: deleted, history: anew, deleted: '1' }, '{}')
    pair.b.request({ profile: 'changes', properties: { collection: '0' }, body: Buffer.from('[]'), noReply: true })
    await eventually('idle', () => active.session.activity === 'idle' || active.result !== undefined)
    expect(documentsOf(ours).revision('d')).to.include({ revId: deleted, deleted: true })
    pair.cut()
  })
})
