// Deletions, documents made anew, and documents that one side forgot.
import { expect } from 'chai'
import { tombstonesOnDisk } from './our-side.mjs'
import { useStage } from './stage.mjs'

describe('the life of documents with Couchbase Lite Java', () => {
  const stage = useStage()

  async function shared(...ids) {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.putMany(Object.fromEntries(ids.map((id) => [id, { first: true }])))
    await theirs.replicate(ours.url)
    // The second run's pull passes over what the first one pushed.
    expect(await theirs.replicate(ours.url)).to.deep.include({ pushed: [], pulled: [] })
    return { ours, theirs }
  }

  it('ends on either side, and leaves the same tombstones', async () => {
    const { ours, theirs } = await shared('by-them', 'by-us', 'stays')
    const [removed] = await theirs.remove('by-them')
    const { revId } = ours.collection.remove('by-us')
    const report = await theirs.replicate(ours.url)
    expect(report).to.deep.include({ pushed: ['by-them'], pulled: ['by-us'], deletions: ['by-them', 'by-us'], failed: {} })
    await ours.expectSame(theirs)
    expect(await tombstonesOnDisk(ours.directory, ['by-them', 'by-us'])).to.deep.equal([
      removed,
      { id: 'by-us', rev: revId, deleted: true }
    ])
  })

  it('begins anew on a tombstone, on either side', async () => {
    const { ours, theirs } = await shared('by-them', 'by-us')
    await theirs.remove('by-them', 'by-us')
    await theirs.replicate(ours.url)
    await theirs.put('by-them', { anew: 'there' })
    ours.collection.put('by-us', { anew: 'here' })
    expect(await theirs.replicate(ours.url)).to.deep.include({ pushed: ['by-them'], pulled: ['by-us'], failed: {} })
    expect((await theirs.get('by-us')).body).to.deep.equal({ anew: 'here' })
    // Theirs ranks below its tombstone in our order, so it was given a child here, which goes to them in turn.
    expect(await theirs.replicate(ours.url)).to.deep.include({ pushed: [], pulled: ['by-them'], failed: {} })
    expect((await theirs.get('by-them')).body).to.deep.equal({ anew: 'there' })
    await ours.expectSame(theirs)
  })

  it('goes on after it began anew, although they have not seen what we put on top of it', async () => {
    const { ours, theirs } = await shared('doc')
    await theirs.remove('doc')
    for (const body of [{ anew: 1 }, { anew: 2 }, { anew: 3 }]) {
      await theirs.replicate(ours.url, { type: 'PUSH' })
      await theirs.put('doc', body)
    }
    expect(await theirs.replicate(ours.url, { type: 'PUSH' })).to.deep.include({ failed: {} })
    expect(ours.collection.get('doc').body).to.deep.equal({ anew: 3 })
    await theirs.replicate(ours.url)
    expect((await theirs.get('doc')).body).to.deep.equal({ anew: 3 })
    await theirs.replicate(ours.url)
    await ours.expectSame(theirs)
  })

  it('begins anew where the deletion was never seen', async () => {
    const { ours, theirs } = await shared('theirs', 'ours')
    await theirs.remove('theirs')
    await theirs.put('theirs', { anew: 'there' })
    ours.collection.remove('ours')
    ours.collection.put('ours', { anew: 'here' })
    expect(await theirs.replicate(ours.url))
      .to.deep.include({ failed: {} })
      .and.not.to.have.property('error')
    await ours.expectSame(theirs)
  })

  it('is forgotten there: comes back from here only when asked for all', async () => {
    const { ours, theirs } = await shared('doc', 'other')
    await theirs.purge('doc')
    expect(await theirs.replicate(ours.url)).to.deep.include({ pulled: [], pushed: [] })
    expect(await theirs.get('doc')).to.equal(undefined)
    expect((await theirs.replicate(ours.url, { reset: true })).pulled).to.deep.equal(['doc'])
    await ours.expectSame(theirs)
  })

  it('is forgotten there: comes back when it changes here', async () => {
    const { ours, theirs } = await shared('doc', 'other')
    await theirs.purge('doc')
    ours.collection.put('doc', { second: true })
    expect((await theirs.replicate(ours.url)).pulled).to.deep.equal(['doc'])
    await ours.expectSame(theirs)
  })

  it('is forgotten here: comes back when it changes there', async () => {
    const { ours, theirs } = await shared('doc', 'other')
    ours.collection.purge('doc')
    await theirs.put('doc', { second: true })
    expect((await theirs.replicate(ours.url)).pushed).to.deep.equal(['doc'])
    await ours.expectSame(theirs)
  })

  it('is forgotten and made anew here: the new life counts where nothing was changed, else the two meet as a conflict', async () => {
    const { ours, theirs } = await shared('unchanged', 'changed')
    for (const id of ['unchanged', 'changed']) {
      ours.collection.purge(id)
      ours.collection.put(id, { other: 'life' })
    }
    await theirs.put('changed', { second: true })
    await theirs.replicate(ours.url, { resolver: 'merge' })
    await theirs.replicate(ours.url, { resolver: 'merge' })
    expect((await theirs.get('unchanged')).body).to.deep.equal({ other: 'life' })
    expect((await theirs.get('changed')).body).to.deep.equal({ second: true, other: 'life' })
    await ours.expectSame(theirs)
  })

  it('goes through more revisions than either side keeps', async () => {
    const { ours, theirs } = await shared('theirs', 'ours')
    for (let n = 0; n < 120; n++) await theirs.put('theirs', { n })
    for (let n = 0; n < 120; n++) ours.collection.put('ours', { n })
    const report = await theirs.replicate(ours.url)
    expect(report).to.deep.include({ pushed: ['theirs'], failed: {} })
    expect((await theirs.get('ours')).body).to.deep.equal({ n: 119 })
    expect(ours.collection.conflicts()).to.deep.equal([])
    await theirs.replicate(ours.url)
    await ours.expectSame(theirs)
  })
})
