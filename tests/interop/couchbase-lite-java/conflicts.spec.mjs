// The same document changed on both sides. Couchbase Lite is the active one, so it resolves; what it decides must be what we hold in the end.
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { useStage } from './stage.mjs'

describe('conflicts with Couchbase Lite Java', () => {
  const stage = useStage()

  /** Both sides have `doc` in one revision, then each changes it `theirEdits` and `ourEdits` times. */
  async function conflict({ theirEdits = 1, ourEdits = 1 } = {}) {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.put('doc', { common: true })
    await theirs.replicate(ours.url)
    for (let n = 1; n <= theirEdits; n++) await theirs.put('doc', { common: true, by: 'them', theirs: n })
    for (let n = 1; n <= ourEdits; n++) ours.collection.put('doc', { common: true, by: 'us', ours: n })
    return { ours, theirs }
  }

  /**
   * Replicates until nothing is left to move, and then both must hold the same. Couchbase Lite pushes what its resolver made of a pulled conflict
   * in the run after, or in one more where the first ended before it was made. Resolves with the document.
   */
  async function settled({ ours, theirs }, settings) {
    for (let run = 0, moved = true; moved; run++) {
      expect(run, 'runs until all is settled').to.be.below(4)
      const report = await theirs.replicate(ours.url, settings)
      expect(report).not.to.have.property('error')
      // When its push and its pull meet the conflict at the same time, it also reports the push as refused.
      for (const error of Object.values(report.failed)) expect(error).to.match(/10409/)
      moved = report.pushed.length + report.pulled.length > 0 || Object.keys(report.failed).length > 0
    }
    expect(ours.collection.conflicts()).to.deep.equal([])
    const document = await theirs.get('doc')
    await ours.expectSame(theirs)
    return document
  }

  describe('with the default resolver', () => {
    it('keeps theirs when it has more generations', async () => {
      const { body } = await settled(await conflict({ theirEdits: 3 }))
      expect(body).to.deep.include({ by: 'them' })
    })

    it('keeps ours when it has more generations', async () => {
      const { body } = await settled(await conflict({ ourEdits: 3 }))
      expect(body).to.deep.include({ by: 'us' })
    })

    it('keeps the greater revision id among equals', async () => {
      const { ours, theirs } = await conflict()
      const { rev, body } = await theirs.get('doc')
      const expected = rev > ours.collection.get('doc').revId ? body : ours.collection.get('doc').body
      expect((await settled({ ours, theirs })).body).to.deep.equal(expected)
    })

    it('lets our deletion win over their edits', async () => {
      const { ours, theirs } = await conflict({ theirEdits: 3 })
      ours.collection.remove('doc')
      expect(await settled({ ours, theirs })).to.equal(undefined)
    })

    it('lets their deletion win over our edits', async () => {
      const { ours, theirs } = await conflict({ ourEdits: 3 })
      await theirs.remove('doc')
      expect(await settled({ ours, theirs })).to.equal(undefined)
    })

    it('is content when both deleted', async () => {
      const { ours, theirs } = await conflict()
      await theirs.remove('doc')
      ours.collection.remove('doc')
      expect(await settled({ ours, theirs })).to.equal(undefined)
    })

    it('settles documents of the same id made on both sides', async () => {
      const ours = await stage.ours()
      const theirs = stage.theirs()
      await theirs.put('doc', { by: 'them' })
      ours.collection.put('doc', { by: 'us' })
      expect((await settled({ ours, theirs })).body.by).to.be.oneOf(['them', 'us'])
    })

    it('settles the same edit made on both sides, to which it gives a revision id of another making', async () => {
      const ours = await stage.ours()
      const theirs = stage.theirs()
      const body = { same: [1, { a: 'ä', b: 2 }] }
      const rev = await theirs.put('doc', body)
      expect(ours.collection.put('doc', body).revId).not.to.equal(rev)
      expect((await settled({ ours, theirs })).body).to.deep.equal(body)
    })
  })

  describe('with a resolver of the application', () => {
    it('takes the local one', async () => {
      const { body } = await settled(await conflict({ ourEdits: 2 }), { resolver: 'local' })
      expect(body).to.deep.equal({ common: true, by: 'them', theirs: 1 })
    })

    it('takes the remote one', async () => {
      const { body } = await settled(await conflict({ theirEdits: 2 }), { resolver: 'remote' })
      expect(body).to.deep.equal({ common: true, by: 'us', ours: 1 })
    })

    it('merges', async () => {
      const { body } = await settled(await conflict({ ourEdits: 2 }), { resolver: 'merge' })
      expect(body).to.deep.equal({ common: true, by: 'them', theirs: 1, ours: 2 })
    })

    it('deletes', async () => {
      expect(await settled(await conflict({ ourEdits: 2 }), { resolver: 'delete' })).to.equal(undefined)
    })

    it('fails: the document stays as it was on both sides, and the next attempt settles it', async () => {
      const { ours, theirs } = await conflict()
      const before = await theirs.get('doc')
      const report = await theirs.replicate(ours.url, { resolver: 'fail' })
      expect(report.failed).to.have.keys('doc')
      expect(ours.collection.get('doc').body).to.deep.include({ by: 'us' })
      expect(await theirs.get('doc')).to.deep.equal(before)
      expect((await settled({ ours, theirs }, { resolver: 'merge' })).body).to.deep.equal({ common: true, by: 'them', theirs: 1, ours: 1 })
    })
  })

  it('settles conflicts in the middle of a continuous replication', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    const replicator = await theirs.start(ours.url, { continuous: true, resolver: 'merge' })
    await replicator.idle()
    for (let round = 0; round < 20; round++) {
      const body = { [`ours-${round}`]: round }
      const saved = theirs.put('doc', { [`theirs-${round}`]: round })
      ours.collection.put('doc', body)
      await saved
    }
    const same = async () => {
      const theirDocument = await theirs.get('doc')
      return theirDocument.rev === ours.collection.get('doc').revId && (await replicator.report()).activity === 'IDLE'
    }
    await eventually('both have the same', same)
    expect(ours.collection.conflicts()).to.deep.equal([])
    await replicator.stop()
    await ours.expectSame(theirs)
  })

  it('leaves a push alone refused with 409, and ours untouched', async () => {
    const { ours, theirs } = await conflict()
    const { revId } = ours.collection.get('doc')
    const report = await theirs.replicate(ours.url, { type: 'PUSH' })
    expect(report.failed.doc).to.match(/409/)
    expect(ours.collection.get('doc').revId).to.equal(revId)
  })
})
