// What Couchbase Lite says on the wire, frame by frame.
import { expect } from 'chai'
import { documentsOnDisk, expectSame } from './our-side.mjs'
import { useStage } from './stage.mjs'
import { tappedListener } from './tapped.mjs'

describe('the conversation with Couchbase Lite Java', () => {
  const stage = useStage()

  async function tap(settings) {
    const ours = await stage.ours()
    const tapped = await tappedListener(ours.database, settings)
    stage.onEnd(() => tapped.close())
    return { ours, tapped, theirs: stage.theirs() }
  }

  /** Documents, tombstones and blobs on both sides, replicated, changed on both sides, replicated, and compared. */
  async function roundTrip({ ours, tapped, theirs }) {
    const blob = await ours.database.blobs.saveBlob(Buffer.from('a blob of ours'))
    ours.collection.putMany([
      { id: 'ours', body: { n: 1 } },
      { id: 'ours-gone', body: {} },
      { id: 'ours-blob', body: { blob } }
    ])
    ours.collection.remove('ours-gone')
    await theirs.putMany({ theirs: { n: 1 }, 'theirs-gone': {} })
    await theirs.blob('theirs-blob', 'blob', 1, 20_000)
    await theirs.remove('theirs-gone')
    const first = await theirs.replicate(tapped.url)
    expect(first).to.deep.include({
      failed: {},
      pushed: ['theirs', 'theirs-blob', 'theirs-gone'],
      pulled: ['ours', 'ours-blob', 'ours-gone']
    })
    expect(first.deletions).to.deep.equal(['ours-gone', 'theirs-gone'])

    await theirs.put('ours', { n: 2 })
    ours.collection.remove('theirs')
    const second = await theirs.replicate(tapped.url)
    expect(second).to.deep.include({ failed: {}, pushed: ['ours'], pulled: ['theirs'], deletions: ['theirs'] })
    await ours.close()
    expectSame(await documentsOnDisk(ours.directory), await theirs.list())
  }

  it('is offered as CBMobile_3 and CBMobile_2, and knows no collections in either', async () => {
    const conversation = await tap()
    await roundTrip(conversation)
    const { offers, messages } = conversation.tapped
    expect(offers).to.deep.equal(Array(2).fill(['BLIP_3+CBMobile_3', 'BLIP_3+CBMobile_2']))
    expect(messages.map(({ properties }) => properties.Profile)).not.to.include('getCollections')
    expect(messages.filter(({ properties }) => 'collection' in properties)).to.deep.equal([])
  })

  it('works as CBMobile_2', async () => {
    const conversation = await tap({ choose: (offered) => offered.find((protocol) => protocol.endsWith('_2')) })
    await roundTrip(conversation)
    const { offers, messages } = conversation.tapped
    expect(offers).to.have.lengthOf(2)
    const changes = messages.filter(({ from, properties }) => from === 'us' && properties.Profile === 'changes')
    const flags = changes.flatMap(({ body }) => JSON.parse(body)).map(([, , , deleted]) => deleted ?? false)
    expect(new Set(flags)).to.deep.equal(new Set([true, false]))
  })

  it('asks for deltas, for in-document blobs and for histories of twenty revisions', async () => {
    const { ours, tapped, theirs } = await tap()
    ours.collection.put('doc', {})
    await theirs.replicate(tapped.url)
    const changes = tapped.messages.find(({ from, properties }) => from === 'us' && properties.Profile === 'changes')
    const answer = tapped.messages.find(({ from, type, number }) => from === 'them' && type === 'RES' && number === changes.number)
    expect(answer.properties).to.deep.equal({ maxHistory: '20', blobs: 'true', deltas: 'true' })
  })

  it('ends lists of ancestors with the common one when they grow too long', async () => {
    const { ours, tapped, theirs } = await tap()
    const common = await theirs.put('doc', { n: 0 })
    await theirs.replicate(tapped.url)
    for (let n = 1; n <= 120; n++) await theirs.put('doc', { n })
    await theirs.replicate(tapped.url)
    const { properties } = tapped.messages.findLast(({ from, properties }) => from === 'them' && properties.Profile === 'rev')
    const history = properties.history.split(',')
    expect(history.at(-2)).to.match(/^7\d-/)
    expect(history.at(-1)).to.equal(common)
    expect(ours.collection.get('doc').body).to.deep.equal({ n: 120 })
  })

  it('is compressed', async () => {
    const { ours, tapped, theirs } = await tap()
    const text = 'much the same all over again '.repeat(2000)
    await theirs.put('theirs', { text })
    ours.collection.put('ours', { text })
    await theirs.replicate(tapped.url)
    for (const from of ['us', 'them']) {
      const [rev] = tapped.messages.filter((message) => message.from === from && message.properties.Profile === 'rev')
      expect(JSON.parse(rev.body)).to.deep.equal({ text })
      expect(rev.wireBytes).to.be.below(text.length / 20)
    }
  })
})
