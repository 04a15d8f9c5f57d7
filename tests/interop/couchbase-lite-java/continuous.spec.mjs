// A replication that stays, with edits on both sides while it runs.
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { useStage } from './stage.mjs'

describe('Couchbase Lite Java, continuous, against a URL listener', () => {
  const stage = useStage()

  it('carries live edits both ways, and is told of nothing twice', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.put('early', { by: 'them' })
    const replicator = await theirs.start(ours.url, { continuous: true })
    await replicator.idle()
    for (let n = 0; n < 10; n++) {
      const rev = await theirs.put('theirs', { n })
      await eventually(`we have their edit ${n}`, () => ours.collection.get('theirs')?.revId === rev)
      const { revId } = ours.collection.put('ours', { n })
      await eventually(`they have our edit ${n}`, async () => (await theirs.get('ours'))?.rev === revId)
    }
    const [removed] = await theirs.remove('theirs')
    await eventually('we have their deletion', () => ours.collection.get('theirs', { deleted: true })?.revId === removed.rev)
    ours.collection.remove('early')
    await eventually('they have our deletion', async () => (await theirs.get('early')) === undefined)

    const report = await replicator.stop()
    expect(report).to.deep.include({ failed: {} }).and.not.to.have.property('error')
    expect(report.seen).to.include.members(['CONNECTING', 'BUSY', 'IDLE'])
    expect(report.pulled).to.deep.equal(['early', ...Array(10).fill('ours')])
    expect(report.pushed).to.deep.equal(['early', ...Array(11).fill('theirs')])
    await ours.expectSame(theirs)
  })

  it('keeps up with bursts on both sides', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    const replicator = await theirs.start(ours.url, { continuous: true })
    await replicator.idle()
    for (let round = 0; round < 4; round++) {
      const bodies = {}
      for (let n = 0; n < 100; n++) {
        ours.collection.put(`ours-${n}`, { n, round })
        bodies[`theirs-${n}`] = { n, round }
      }
      await theirs.putMany(bodies)
    }
    await eventually('we have all', () => ours.collection.count === 200 && ours.collection.get('theirs-99')?.body.round === 3)
    await eventually('they have all', async () => (await theirs.get('ours-99'))?.body.round === 3)
    await eventually('nothing is pending', async () => (await replicator.pending()).length === 0)
    await replicator.stop()
    await ours.expectSame(theirs)
  })

  it('names what it has yet to push while it is offline', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    const replicator = await theirs.start(ours.url, { continuous: true, maxAttempts: 100, maxAttemptWait: 1 })
    await replicator.idle()
    await ours.listener.stop()
    await replicator.until('OFFLINE')
    await theirs.put('meanwhile', {})
    expect(await replicator.pending()).to.deep.equal(['meanwhile'])
    await ours.listen()
    await eventually('it was pushed', () => ours.collection.get('meanwhile') !== undefined)
    await eventually('nothing is pending', async () => (await replicator.pending()).length === 0)
    await replicator.stop()
  })
})
