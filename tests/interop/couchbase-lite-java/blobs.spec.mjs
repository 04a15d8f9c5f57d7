import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { useStage } from './stage.mjs'

const MEGABYTE = 1024 * 1024

describe('blobs with Couchbase Lite Java', () => {
  const stage = useStage()

  it('come from them: small, empty, large, and compressible ones', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.blob('doc', 'small', 1, 10)
    await theirs.blob('doc', 'empty', 1, 0)
    await theirs.blob('doc', 'large', 2, 5 * MEGABYTE)
    await theirs.blob('doc', 'text', 3, 50_000, 'text/plain')
    await theirs.blob('doc', 'picture', 4, 50_000, 'image/png')
    expect(await theirs.replicate(ours.url)).to.deep.include({ pushed: ['doc'], failed: {} })
    expect(await ours.lastStatistics()).to.include({ blobsPulled: 5, blobBytesPulled: 5 * MEGABYTE + 100_010 })
    await ours.expectSame(theirs)
  })

  it('go to them: small, empty, large, and compressible ones', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    const { blobs } = ours.database
    const text = Buffer.from('to be compressed '.repeat(10_000))
    const large = randomBytes(5 * MEGABYTE)
    ours.collection.put('doc', {
      small: await blobs.saveBlob(Buffer.from('small')),
      empty: await blobs.saveBlob(Buffer.alloc(0)),
      deep: [{ in: { a: [await blobs.saveBlob(large, 'application/zip')] } }],
      text: await blobs.saveBlob(text, 'text/plain')
    })
    expect(await theirs.replicate(ours.url)).to.deep.include({ pulled: ['doc'], failed: {} })
    expect(await ours.lastStatistics()).to.include({ blobsPushed: 4, blobBytesPushed: 5 + large.length + text.length })
    expect((await theirs.get('doc')).blobs.map(({ path }) => path)).to.deep.equal(['/deep/0/in/a/0', '/empty', '/small', '/text'])
    await ours.expectSame(theirs)
  })

  it('that several documents share travel once', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.blob('one', 'picture', 7, 30_000)
    await theirs.blob('two', 'picture', 7, 30_000)
    await theirs.replicate(ours.url)
    expect(await ours.lastStatistics()).to.include({ documentsPulled: 2, blobsPulled: 1, blobBytesPulled: 30_000 })

    const shared = await ours.database.blobs.saveBlob(randomBytes(40_000))
    ours.collection.put('three', { picture: shared })
    await theirs.replicate(ours.url)
    expect(await ours.lastStatistics()).to.include({ documentsPushed: 1, blobsPushed: 1 })
    ours.collection.put('four', { picture: shared, other: (await theirs.get('one')).body.picture })
    await theirs.replicate(ours.url)
    expect(await ours.lastStatistics()).to.include({ documentsPushed: 1, blobsPushed: 0, blobBytesPushed: 0 })
    await ours.expectSame(theirs)
  })

  it('are not sent again with a new revision of their document', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.blob('doc', 'picture', 7, 30_000)
    await theirs.replicate(ours.url)
    await theirs.put('doc', { ...(await theirs.get('doc')).body, title: 'changed by them' })
    await theirs.replicate(ours.url)
    expect(await ours.lastStatistics()).to.include({ documentsPulled: 1, blobsPulled: 0 })
    ours.collection.put('doc', { ...ours.collection.get('doc').body, title: 'changed by us' })
    await theirs.replicate(ours.url)
    expect(await ours.lastStatistics()).to.include({ documentsPushed: 1, blobsPushed: 0 })
    expect((await theirs.get('doc')).body.title).to.equal('changed by us')
    await ours.expectSame(theirs)
  })

  it('are proven by them where only their digest is new to a document of ours', async () => {
    const ours = await stage.ours({ protectBlobs: true })
    const theirs = stage.theirs()
    await theirs.blob('one', 'picture', 7, 30_000)
    await theirs.replicate(ours.url)
    await theirs.blob('two', 'picture', 7, 30_000)
    expect(await theirs.replicate(ours.url)).to.deep.include({ pushed: ['two'], failed: {} })
    expect(await ours.lastStatistics()).to.include({ documentsPulled: 1, blobsPulled: 0 })
    ours.collection.put('three', {
      picture: (await theirs.get('one')).body.picture,
      other: await ours.database.blobs.saveBlob(randomBytes(20_000))
    })
    expect(await theirs.replicate(ours.url)).to.deep.include({ pulled: ['three'], failed: {} })
    await ours.expectSame(theirs)
  })

  it('replaced on both sides at once end as one of the two', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.blob('doc', 'picture', 1, 30_000)
    await theirs.replicate(ours.url)
    await theirs.blob('doc', 'picture', 2, 30_000)
    ours.collection.put('doc', { picture: await ours.database.blobs.saveBlob(randomBytes(20_000)) })
    await theirs.replicate(ours.url)
    await theirs.replicate(ours.url)
    expect((await theirs.get('doc')).blobs[0].length).to.be.oneOf([20_000, 30_000])
    await ours.expectSame(theirs)
  })
})
