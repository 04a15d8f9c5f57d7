// Push, pull and both, once, against a listener in this process.
import { expect } from 'chai'
import { Database } from '@kithmesh/database'
import { useStage } from './stage.mjs'

describe('Couchbase Lite Java, one-shot, against a URL listener', () => {
  const stage = useStage()

  it('pushes only, and pulls only', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.put('from-them', { n: 1 })
    ours.collection.put('from-us', { n: 2 })

    expect(await theirs.replicate(ours.url, { type: 'PUSH' })).to.deep.include({ pushed: ['from-them'], pulled: [], failed: {} })
    expect(ours.collection.get('from-them')?.body).to.deep.equal({ n: 1 })
    expect(await theirs.get('from-us')).to.equal(undefined)

    expect(await theirs.replicate(ours.url, { type: 'PULL' })).to.deep.include({ pushed: [], pulled: ['from-us'], failed: {} })
    await ours.expectSame(theirs)
  })

  it('may pull but not push when the listener is read-only', async () => {
    const ours = await stage.ours({ readOnly: true })
    const theirs = stage.theirs()
    await theirs.put('from-them', { n: 1 })
    ours.collection.put('from-us', { n: 2 })
    const refused = await theirs.replicate(ours.url, { type: 'PUSH' })
    expect(refused.pushed).to.deep.equal([])
    expect(refused.error).to.match(/403/)
    expect((await theirs.replicate(ours.url, { type: 'PULL' })).pulled).to.deep.equal(['from-us'])
    expect(ours.collection.count).to.equal(1)
  })

  it('finds each of several databases by its name, whatever the name', async () => {
    const names = ['plain', 'größe & 100%', 'a+b_c-d.e']
    const databases = {}
    for (const name of names) {
      databases[name] = await Database.open(stage.directory())
      stage.onEnd(() => databases[name].close())
      databases[name].collection().put('doc', { of: name })
    }
    const ours = await stage.ours({ databases })
    for (const name of names) {
      const theirs = stage.theirs()
      const report = await theirs.replicate(ours.url.replace(/db$/, encodeURIComponent(name)))
      expect(report, name).to.deep.include({ pulled: ['doc'] })
      expect((await theirs.get('doc')).body).to.deep.equal({ of: name })
    }
  })

  it('asks for a database that is not there', async () => {
    const ours = await stage.ours()
    const report = await stage.theirs().replicate(ours.url.replace(/db$/, 'other'))
    expect(report.error).to.match(/404/)
  })

  it('moves 10,000 documents each way at once', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.fill(10_000)
    const made = Array.from({ length: 10_000 }, (_, n) => ({
      id: `ours-${n}`,
      body: { n, text: 'as large as the usual document '.repeat(5) }
    }))
    ours.collection.putMany(made)
    const report = await theirs.replicate(ours.url)
    expect(report).to.deep.include({ failed: {} }).and.not.to.have.property('error')
    expect(report.pushed).to.have.lengthOf(10_000)
    expect(report.pulled).to.have.lengthOf(10_000)
    expect(await ours.lastStatistics()).to.include({ documentsPulled: 10_000, documentsPushed: 10_000 })
    await ours.expectSame(theirs)
  })
})
