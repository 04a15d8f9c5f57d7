// Two instances of Couchbase Lite that meet at a listener of ours, whose application edits as well, and a peer of ours beyond it.
import { expect } from 'chai'
import fc from 'fast-check'
import { Database } from '@kithmesh/database'
import { Replicator, urlEndpoint } from '@kithmesh/replicator'
import { eventually } from '../../support/eventually.mjs'
import { documentsOnDisk, expectSame } from './our-side.mjs'
import { useStage } from './stage.mjs'

describe('several peers, two of them Couchbase Lite Java', () => {
  const stage = useStage()

  async function trio() {
    return { a: stage.theirs(), b: stage.theirs(), ours: await stage.ours() }
  }

  /** One-shot replications in turn until a whole round moved nothing; fails when that does not come. Settings for both, or by peer. */
  async function settle({ a, b, ours }, settings) {
    for (let round = 0; round < 8; round++) {
      let moved = 0
      for (const peer of [a, b]) {
        const report = await peer.replicate(ours.url, settings instanceof Map ? settings.get(peer) : settings)
        expect(report).not.to.have.property('error')
        moved += report.pushed.length + report.pulled.length
      }
      if (moved === 0) return round
    }
    throw new Error('the peers do not settle')
  }

  async function expectAllSame({ a, b, ours }) {
    expect(ours.collection.conflicts()).to.deep.equal([])
    expectSame(await b.list(), await a.list())
    await ours.expectSame(a)
  }

  it('agree on a document that all three made', async () => {
    const peers = await trio()
    await peers.a.put('doc', { by: 'a' })
    await peers.b.put('doc', { by: 'b' })
    peers.ours.collection.put('doc', { by: 'us' })
    await settle(peers)
    await expectAllSame(peers)
  })

  for (const resolver of [undefined, 'local', 'remote', 'merge', 'delete']) {
    it(`agree on a document that all three changed, with the resolver ${resolver ?? 'by default'}`, async () => {
      const peers = await trio()
      await peers.a.put('doc', { common: true })
      await settle(peers)
      await peers.a.put('doc', { a: 1 })
      await peers.b.put('doc', { b: 1 })
      await peers.b.put('doc', { b: 2 })
      peers.ours.collection.put('doc', { us: 1 })
      await settle(peers, resolver === undefined ? {} : { resolver })
      if (resolver === 'merge') expect((await peers.a.get('doc')).body).to.deep.equal({ a: 1, b: 2, us: 1 })
      await expectAllSame(peers)
    })
  }

  it('agree after one deleted what the others changed', async () => {
    const peers = await trio()
    await peers.a.putMany({ 'gone-at-a': {}, 'gone-at-b': {}, 'gone-here': {} })
    await settle(peers)
    await peers.a.remove('gone-at-a')
    await peers.b.remove('gone-at-b')
    peers.ours.collection.remove('gone-here')
    await peers.a.putMany({ 'gone-at-b': { a: 1 }, 'gone-here': { a: 1 } })
    await peers.b.putMany({ 'gone-at-a': { b: 1 }, 'gone-here': { b: 1 } })
    for (const id of ['gone-at-a', 'gone-at-b']) peers.ours.collection.put(id, { us: 1 })
    await settle(peers)
    expect(await peers.a.list()).to.deep.equal([])
    await expectAllSame(peers)
  })

  it('agree after a document was deleted here and made anew there', async () => {
    const peers = await trio()
    await peers.a.put('doc', { life: 1 })
    await settle(peers)
    await peers.a.remove('doc')
    await settle(peers)
    await peers.a.put('doc', { life: 'a' })
    await peers.b.put('doc', { life: 'b' })
    await settle(peers)
    expect((await peers.a.get('doc')).body.life).to.be.oneOf(['a', 'b'])
    await expectAllSame(peers)
  })

  it('agree when all edit the same documents at the same time, continuously', async () => {
    const peers = await trio()
    const replicators = [
      await peers.a.start(peers.ours.url, { continuous: true }),
      await peers.b.start(peers.ours.url, { continuous: true })
    ]
    for (const replicator of replicators) await replicator.idle()
    for (let round = 0; round < 10; round++) {
      const bodies = (by) => Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`doc-${n}`, { by, round }]))
      const saved = [peers.a.putMany(bodies('a')), peers.b.putMany(bodies('b'))]
      for (const [id, body] of Object.entries(bodies('us'))) peers.ours.collection.put(id, body)
      await Promise.all(saved)
    }
    await eventually('all have the same', async () => {
      const lists = await Promise.all([peers.a.list(), peers.b.list()])
      return lists.every((list) => list.every(({ id, rev }) => peers.ours.collection.get(id)?.revId === rev))
    })
    for (const replicator of replicators) expect(await replicator.stop()).not.to.have.property('error')
    await settle(peers)
    await expectAllSame(peers)
  })

  it("are told of each other's edits, ten at a time", async () => {
    const ours = await stage.ours()
    const peers = Array.from({ length: 10 }, () => stage.theirs())
    const replicators = await Promise.all(peers.map((peer) => peer.start(ours.url, { continuous: true })))
    for (const replicator of replicators) await replicator.idle()
    expect(ours.listener.status.connectionCount).to.equal(10)
    await Promise.all(peers.map((peer, n) => peer.put(`doc-${n}`, { by: n })))
    await eventually('all have all', async () => {
      const lists = await Promise.all(peers.map((peer) => peer.list()))
      return lists.every((list) => list.length === 10)
    })
    await Promise.all(replicators.map((replicator) => replicator.stop()))
    await eventually('all are gone', () => ours.listener.status.connectionCount === 0)
    const [first, ...others] = await Promise.all(peers.map((peer) => peer.list()))
    for (const other of others) expectSame(other, first)
    await ours.expectSame(peers[0])
  })

  it('agree after any schedule of edits, deletions and replications', async function () {
    this.timeout(180_000)
    const step = fc.record({
      who: fc.constantFrom('a', 'b', 'us'),
      id: fc.constantFrom('x', 'y'),
      what: fc.constantFrom('put', 'put', 'remove', 'meet', 'meet')
    })
    const resolver = fc.constantFrom(undefined, 'local', 'remote', 'merge')
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 25 }), resolver, resolver, async (steps, ...resolvers) => {
        const peers = await trio()
        const settings = new Map([peers.a, peers.b].map((peer, n) => [peer, resolvers[n] === undefined ? {} : { resolver: resolvers[n] }]))
        for (const [n, { who, id, what }] of steps.entries()) {
          const { collection } = peers.ours
          if (what === 'meet') {
            for (const peer of who === 'us' ? [peers.a, peers.b] : [peers[who]]) await peer.replicate(peers.ours.url, settings.get(peer))
          } else if (who === 'us') {
            if (what === 'put') collection.put(id, { [who]: n })
            else if (collection.get(id) !== undefined) collection.remove(id)
          } else if (what === 'put') await peers[who].put(id, { [who]: n })
          else if ((await peers[who].get(id)) !== undefined) await peers[who].remove(id)
        }
        await settle(peers, settings)
        await expectAllSame(peers)
      }),
      { numRuns: 6, endOnFailure: true }
    )
  })

  it('agree with a peer of ours that replicates with the listener as well', async () => {
    const peers = await trio()
    const directory = stage.directory()
    const beyond = await Database.open(directory)
    stage.onEnd(() => beyond.close())
    const meet = async () => {
      const replicator = new Replicator({ database: beyond, endpoint: urlEndpoint(peers.ours.url) })
      replicator.start()
      expect((await replicator.finished()).error).to.equal(undefined)
      return replicator.statistics
    }
    await peers.a.put('doc', { common: true })
    await settle(peers)
    await meet()
    await peers.a.put('doc', { by: 'a' })
    await peers.b.put('doc', { by: 'b' })
    beyond.collection().put('doc', { by: 'beyond' })
    peers.ours.collection.put('doc', { by: 'us' })
    for (let round = 0; round < 3; round++) {
      await meet()
      await settle(peers)
    }
    expect(await meet()).to.include({ documentsPulled: 0, documentsPushed: 0 })
    expect(beyond.collection().conflicts()).to.deep.equal([])
    await beyond.close()
    expectSame(await documentsOnDisk(directory), await peers.a.list())
    await expectAllSame(peers)
  })
})
