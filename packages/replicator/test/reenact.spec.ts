import { expect } from 'chai'
import { reenact } from './reenact.ts'
import { describeRecordings } from './traces/describe-recordings.ts'

/** With a small store of the tests', and with the database. */
for (const on of ['memory', 'database'] as const) {
  describeRecordings(`re-enacted recordings of Couchbase Lite, on ${on}`, '', (name) => {
    it('our passive side answers as the recorded one', async () => {
      const { recorded, ours, extra, session } = await reenact(name, 'B', on)
      expect(ours).to.deep.equal(recorded)
      expect(extra).to.deep.equal([])
      expect(session.result?.error).to.equal(undefined)
    })
    // Its ended branch can be made up in the small store only.
    if (name === 'tree-conflict-after' && on === 'database') return
    it('our active side asks and answers as the recorded one', async () => {
      const { recorded, ours, extra, session } = await reenact(name, 'A', on)
      expect(ours).to.deep.equal(recorded)
      // Couchbase Lite pushes a resolution in its next run (tree-conflict-after); we do at once. The database makes it a child of the peer's
      // revision, which is a change of its own, when the peer does not understand ended branches.
      const resolution = on === 'database' ? ['proposeChanges', 'proposeChanges', 'rev'] : ['proposeChanges', 'rev']
      expect(extra.map((m) => m.profile)).to.deep.equal(name === 'tree-conflict' ? resolution : [])
      expect(session.result?.error?.code).to.equal(name.endsWith('-collection-missing') ? 'ERR_REPL_COLLECTION_MISSING' : undefined)
    })
  })
}
