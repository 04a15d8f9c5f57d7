import { expect } from 'chai'
import { reenact } from './reenact.ts'
import { traceNames } from './traces/trace-file.ts'

describe('re-enacted recordings of Couchbase Lite', () => {
  for (const name of traceNames('tree-')) {
    describe(name, () => {
      it('our passive side answers as the recorded one', async () => {
        const { recorded, ours } = await reenact(name, 'B')
        expect(ours).to.deep.equal(recorded)
      })
      it('our active side asks and answers as the recorded one', async () => {
        const { recorded, ours } = await reenact(name, 'A')
        expect(ours).to.deep.equal(recorded)
      })
    })
  }
})
