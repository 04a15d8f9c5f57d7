// What is replicated: filters, document ids, channels, collections.
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { useStage } from './stage.mjs'

describe('selections of Couchbase Lite Java', () => {
  const stage = useStage()

  async function filled() {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.putMany({ 'theirs-shared': { shared: true }, 'theirs-private': { shared: false } })
    ours.collection.put('ours-shared', { shared: true })
    ours.collection.put('ours-private', { shared: false })
    return { ours, theirs }
  }
  const oursNow = (ours) => [...ours.collection.documents()].map(({ id }) => id)
  const theirsNow = async (theirs) => (await theirs.list()).map(({ id }) => id)

  it('push what their filter lets through', async () => {
    const { ours, theirs } = await filled()
    expect((await theirs.replicate(ours.url, { pushFilter: 'shared' })).pushed).to.deep.equal(['theirs-shared'])
    expect(oursNow(ours)).to.deep.equal(['ours-private', 'ours-shared', 'theirs-shared'])
    await theirs.put('theirs-private', { shared: true })
    expect((await theirs.replicate(ours.url, { pushFilter: 'shared' })).pushed).to.deep.equal(['theirs-private'])
  })

  it('pull what their filter lets through', async () => {
    const { ours, theirs } = await filled()
    const report = await theirs.replicate(ours.url, { type: 'PULL', pullFilter: 'shared' })
    expect(report.pulled).to.deep.equal(['ours-shared'])
    expect(await theirsNow(theirs)).to.deep.equal(['ours-shared', 'theirs-private', 'theirs-shared'])
    ours.collection.put('ours-private', { shared: true })
    expect((await theirs.replicate(ours.url, { type: 'PULL', pullFilter: 'shared' })).pulled).to.deep.equal(['ours-private'])
  })

  it('keep their documents when a filter holds deletions back', async () => {
    const { ours, theirs } = await filled()
    await theirs.replicate(ours.url, { type: 'PULL' })
    ours.collection.remove('ours-shared')
    await theirs.replicate(ours.url, { type: 'PULL', pullFilter: 'not deleted' })
    expect(await theirsNow(theirs)).to.include('ours-shared')
  })

  it('name documents to push and to pull', async () => {
    const { ours, theirs } = await filled()
    const report = await theirs.replicate(ours.url, { documentIds: ['theirs-private', 'ours-private', 'nowhere'] })
    expect(report)
      .to.deep.include({ pushed: ['theirs-private'], pulled: ['ours-private'], failed: {} })
      .and.not.to.have.property('error')
    expect(oursNow(ours)).to.deep.equal(['ours-private', 'ours-shared', 'theirs-private'])
  })

  it('name documents in a continuous replication', async () => {
    const { ours, theirs } = await filled()
    const replicator = await theirs.start(ours.url, { continuous: true, documentIds: ['chosen', 'ours-shared'] })
    await replicator.idle()
    ours.collection.put('chosen', { from: 'us' })
    ours.collection.put('not-chosen', { from: 'us' })
    ours.collection.put('ours-shared', { last: true })
    await eventually('they have the last change', async () => (await theirs.get('ours-shared'))?.body.last === true)
    const report = await replicator.stop()
    expect(new Set(report.pulled)).to.deep.equal(new Set(['chosen', 'ours-shared']))
  })

  it('ask for channels, which only Sync Gateway has: refused, and nothing moves', async () => {
    const { ours, theirs } = await filled()
    const report = await theirs.replicate(ours.url, { type: 'PULL', channels: ['news'] })
    expect(report.pulled).to.deep.equal([])
    expect(report.error).to.match(/unsupported|not supported|501/i)
  })

  it('meet filters of the listener: what those hold back stays here, what they refuse is reported there', async () => {
    const shared = ({ body, deleted }) => deleted || body.shared === true
    const ours = await stage.ours({ collections: [{ scope: '_default', name: '_default', pushFilter: shared, pullFilter: shared }] })
    const theirs = stage.theirs()
    await theirs.putMany({ 'theirs-shared': { shared: true }, 'theirs-private': { shared: false } })
    ours.collection.putMany([
      { id: 'ours-shared', body: { shared: true } },
      { id: 'ours-private', body: { shared: false } }
    ])
    const report = await theirs.replicate(ours.url)
    expect(report)
      .to.deep.include({ pushed: ['theirs-shared'], pulled: ['ours-shared'] })
      .and.not.to.have.property('error')
    expect(Object.keys(report.failed)).to.deep.equal(['theirs-private'])
    expect(report.failed['theirs-private']).to.match(/10403/)
    expect(oursNow(ours)).to.deep.equal(['ours-private', 'ours-shared', 'theirs-shared'])
    await theirs.put('theirs-private', { shared: true })
    ours.collection.put('ours-private', { shared: true })
    expect(await theirs.replicate(ours.url)).to.deep.include({ pushed: ['theirs-private'], pulled: ['ours-private'], failed: {} })
    await ours.expectSame(theirs)
  })

  it('know the default collection only: others of ours stay here, and one listener serves both', async () => {
    const { ours, theirs } = await filled()
    ours.database.collection('items', 'inventory', { create: true }).put('elsewhere', { n: 1 })
    expect((await theirs.replicate(ours.url)).pulled).to.deep.equal(['ours-private', 'ours-shared'])
    expect(await theirs.get('elsewhere')).to.equal(undefined)
  })

  it('find nothing when the default collection is not served', async () => {
    const ours = await stage.ours({ collections: [{ scope: 'inventory', name: 'items' }] })
    ours.database.collection('items', 'inventory', { create: true }).put('elsewhere', { n: 1 })
    const theirs = stage.theirs()
    await theirs.put('theirs', {})
    const report = await theirs.replicate(ours.url)
    expect(report.error).to.match(/404|400/)
    expect(ours.collection.count).to.equal(0)
  })
})
