// Checkpoints, connections that break, and those that are quiet.
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { serve } from './serve.mjs'
import { documentsOnDisk, expectSame } from './our-side.mjs'
import { useStage } from './stage.mjs'
import { tappedListener } from './tapped.mjs'
import { Witness } from './witness.mjs'

const STILL = { documentsPulled: 0, documentsPushed: 0, documentsAnnounced: 0, bytesPulled: 0, bytesPushed: 0 }

describe('resuming with Couchbase Lite Java', () => {
  const stage = useStage()

  async function synced(count) {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.fill(count)
    ours.collection.putMany(Array.from({ length: count }, (_, n) => ({ id: `ours-${n}`, body: { n } })))
    await theirs.replicate(ours.url)
    await theirs.replicate(ours.url)
    return { ours, theirs }
  }

  it('sends and announces nothing again', async () => {
    const { ours, theirs } = await synced(300)
    await theirs.replicate(ours.url)
    expect(await ours.lastStatistics()).to.include(STILL)
  })

  it('sends and announces nothing again after both sides were opened anew', async () => {
    const { ours, theirs } = await synced(300)
    const { directory, lastPort } = ours
    await theirs.close()
    await ours.close()
    const again = await stage.ours({ directory, port: lastPort })
    expect(again.url).to.equal(ours.url)
    await theirs.replicate(again.url)
    expect(await again.lastStatistics()).to.include(STILL)
    await again.expectSame(theirs)
  })

  it('announces all after a reset, and still sends nothing', async () => {
    const { ours, theirs } = await synced(300)
    await theirs.replicate(ours.url, { reset: true })
    const { documentsPulled, documentsPushed, documentsAnnounced } = await ours.lastStatistics()
    expect({ documentsPulled, documentsPushed, documentsAnnounced }).to.deep.equal({
      documentsPulled: 0,
      documentsPushed: 0,
      documentsAnnounced: 600
    })
  })

  it('goes on after the replicator was stopped in the middle', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.fill(3000)
    ours.collection.putMany(Array.from({ length: 3000 }, (_, n) => ({ id: `ours-${n}`, body: { n } })))
    const replicator = await theirs.start(ours.url)
    await eventually('some have come', () => ours.collection.count > 3100)
    await replicator.stop()
    const first = (await ours.lastStatistics()).documentsPulled
    expect(first).to.be.greaterThan(0)
    await theirs.replicate(ours.url)
    expect(first + (await ours.lastStatistics()).documentsPulled).to.be.within(3000, 3300)
    await ours.expectSame(theirs)
  })

  it('goes on with an empty database of ours in the place of the one that it knew', async () => {
    const { ours, theirs } = await synced(20)
    const port = ours.lastPort
    await ours.close()
    const empty = await stage.ours({ port })
    await theirs.put('after', {})
    const report = await theirs.replicate(empty.url)
    expect(report).to.deep.include({ failed: {} }).and.not.to.have.property('error')
    expect(empty.collection.get('after')?.body).to.deep.equal({})
  })

  it('connects again when the listener was away in the middle of a continuous replication', async () => {
    const { ours, theirs } = await synced(10)
    const replicator = await theirs.start(ours.url, { continuous: true, maxAttempts: 100, maxAttemptWait: 1 })
    await replicator.idle()
    await ours.listener.stop()
    await replicator.until('OFFLINE')
    await theirs.put('theirs-meanwhile', {})
    ours.collection.put('ours-meanwhile', {})
    await ours.listen()
    await eventually('both have both', async () => {
      const theirCopy = await theirs.get('ours-meanwhile')
      return theirCopy !== undefined && ours.collection.get('theirs-meanwhile') !== undefined
    })
    await replicator.stop()
    await ours.expectSame(theirs)
  })

  it('survives that the server is killed again and again while documents come and go', async () => {
    const directory = stage.directory()
    const theirs = stage.theirs()
    let server = await serve(directory, 'witness:secret')
    const { port } = new URL(server.url)
    stage.onEnd(() => server.kill())
    const start = () => theirs.start(server.url, { user: 'witness:secret', continuous: true, maxAttempts: 1000, maxAttemptWait: 1 })
    let replicator = await start()
    for (let round = 0; round < 4; round++) {
      await theirs.putMany(Object.fromEntries(Array.from({ length: 400 }, (_, n) => [`doc-${n}`, { n, round }])))
      await server.kill()
      server = await serve(directory, 'witness:secret', port)
    }
    await eventually('nothing is pending', async () => {
      // One whose server was killed during the handshake has ended for good: it takes the end of the stream for status 1008, which is not transient.
      if ((await replicator.report()).activity === 'STOPPED') replicator = await start()
      return (await replicator.pending()).length === 0
    })
    await replicator.stop()
    await server.stop()
    expectSame(await documentsOnDisk(directory), await theirs.list())
  })

  it('survives that their process is killed in the middle, on both ways', async () => {
    const ours = await stage.ours()
    const directory = stage.directory()
    ours.collection.putMany(Array.from({ length: 2000 }, (_, n) => ({ id: `ours-${n}`, body: { n } })))
    let witness = new Witness(directory)
    stage.onEnd(() => witness.end())
    await witness.database('mine').fill(2000, { blobs: true })
    await witness.database('mine').start(ours.url)
    await eventually('some have come', () => ours.collection.count > 2050)
    await witness.kill()
    witness = new Witness(directory)
    const theirs = witness.database('mine')
    expect(await theirs.replicate(ours.url))
      .to.deep.include({ failed: {} })
      .and.not.to.have.property('error')
    expect(await theirs.list()).to.have.lengthOf(4000)
    await ours.expectSame(theirs)
  })

  it('keeps a quiet connection with heartbeats of both sides', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    const tapped = await tappedListener(ours.database, { heartbeatMs: 300 })
    stage.onEnd(() => tapped.close())
    const replicator = await theirs.start(tapped.url, { continuous: true, heartbeat: 1 })
    await replicator.idle()
    const said = tapped.messages.length
    await eventually('three heartbeats each way', () => tapped.heartbeats.pings >= 3 && tapped.heartbeats.pongs >= 3)
    expect(tapped.messages.length).to.equal(said)
    const { revId } = ours.collection.put('after', { quiet: true })
    await eventually('they have it', async () => (await theirs.get('after'))?.rev === revId)
    expect(tapped.offers).to.have.lengthOf(1)
    await replicator.stop()
  })
})
