// Every combination of the settings: equal databases after the first run and after edits, nothing sent twice, and a run with nothing to do
// in which no document is announced, no revision and no blob sent.
import { expect } from 'chai'
import { databaseDifferences, untilEqual } from '../support/database-differences.mjs'
import { combinations, title } from './axes.mjs'
import { Bench, isHidden } from './bench.mjs'
import { leaked, writeAgain, writeFirst } from './documents.mjs'

describe('replication', () => {
  let bench

  afterEach(async () => {
    await bench?.close()
    bench = undefined
  })

  for (const combination of combinations())
    it(title(combination), async () => {
      const { type, continuous, deltas, blobs, filtered, collections } = combination
      bench = await Bench.create(combination)
      const { a, b, tap } = bench
      const differences = () => databaseDifferences(a, b, { ignore: ({ id }) => filtered && isHidden(id) })
      const equal = async () => {
        if (continuous) await untilEqual(differences)
        expect(await differences()).to.deep.equal([])
        expect(await leaked(bench)).to.deep.equal([])
        expect(tap.repeated).to.deep.equal([])
      }
      const sent = (direction) => tap.revisions.filter((revision) => revision.direction === direction && !isHidden(revision.id)).length
      const perWriter = collections * 5
      const expected = { out: type === 'pull' ? 0 : 1, in: type === 'push' ? 0 : 1 }

      await writeFirst(bench, combination)
      const first = bench.replicator()
      await bench.run(first)
      await equal()
      expect({ out: sent('out'), in: sent('in') }, 'revisions of the first run').to.deep.equal({
        out: expected.out * perWriter,
        in: expected.in * perWriter
      })
      expect(tap.blobs, 'blobs of the first run').to.have.length(blobs ? bench.writers.length * collections * 2 : 0)

      await writeAgain(bench, combination)
      if (continuous) {
        await equal()
        await bench.idle(first)
        await first.stop()
      } else await bench.run(bench.replicator())
      await equal()
      const edits = collections * (bench.writers.length > 1 ? 5 : 4)
      expect({ out: sent('out'), in: sent('in') }, 'revisions of both runs').to.deep.equal({
        out: expected.out * (perWriter + edits),
        in: expected.in * (perWriter + edits)
      })
      const asDelta = (direction) => tap.revisions.some((revision) => revision.direction === direction && revision.delta)
      expect({ out: asDelta('out'), in: asDelta('in') }, 'a delta was sent').to.deep.equal({
        out: deltas && type !== 'pull',
        in: deltas && type !== 'push'
      })
      const refusals = filtered && type !== 'push' ? collections * 2 : 0
      expect(tap.errors, 'errors').to.deep.equal(Array(refusals).fill('out rev: HTTP 403 rejected by the pull filter'))

      // The peer's checkpoint of a pull ends before what was pushed to it last: it may say once that it has that.
      const pushed = new Set(tap.revisions.filter(({ direction }) => direction === 'out').map(({ id }) => id))
      if (type === 'push-and-pull') {
        const { announced, ...sentAgain } = await bench.quietRun()
        expect(announced.filter(({ direction, entry }) => direction === 'out' || !pushed.has(entry[1]))).to.deep.equal([])
        expect(sentAgain).to.deep.equal({ revisions: [], blobs: [], errors: [] })
      }
      expect(await bench.quietRun()).to.deep.equal({ announced: [], revisions: [], blobs: [], errors: [] })
      expect(await differences()).to.deep.equal([])
    })
})
