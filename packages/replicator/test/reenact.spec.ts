import { expect } from 'chai'
import { reenact } from './reenact.ts'
import { describeRecordings } from './traces/describe-recordings.ts'

describeRecordings('re-enacted recordings of Couchbase Lite', 'tree-', (name) => {
  it('our passive side answers as the recorded one', async () => {
    const { recorded, ours, extra, session } = await reenact(name, 'B')
    expect(ours).to.deep.equal(recorded)
    expect(extra).to.deep.equal([])
    expect(session.result?.error).to.equal(undefined)
  })
  it('our active side asks and answers as the recorded one', async () => {
    const { recorded, ours, extra, session } = await reenact(name, 'A')
    expect(ours).to.deep.equal(recorded)
    // Couchbase Lite pushes a resolution in its next run (tree-conflict-after); we do at once.
    expect(extra.map((m) => m.profile)).to.deep.equal(name === 'tree-conflict' ? ['proposeChanges', 'rev'] : [])
    expect(session.result?.error?.code).to.equal(name === 'tree-collection-missing' ? 'ERR_REPL_COLLECTION_MISSING' : undefined)
  })
})
