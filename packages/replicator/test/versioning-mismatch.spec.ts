import { expect } from 'chai'
import { MemoryStore } from './support/memory-store.ts'
import { replicate } from './support/sessions.ts'
import { VectorMemoryStore } from './support/vector-memory-store.ts'

/** Without a handshake, as between message endpoints, only the messages tell that the two databases differ. */
describe('a session between revision trees and version vectors', () => {
  let trees: MemoryStore
  let vectors: VectorMemoryStore
  beforeEach(() => {
    trees = new MemoryStore()
    vectors = new VectorMemoryStore()
    trees.default.put('tree', { x: 1 })
    vectors.default.put('vector', { x: 1 })
  })

  for (const settings of [{ push: false }, {}]) {
    it(`ends with one clear error on both sides when trees ${settings.push === undefined ? 'replicate with' : 'pull from'} vectors`, async () => {
      const { error, transient, passive } = await replicate(trees, vectors, settings)
      expect(error?.code).to.equal('ERR_REPL_VERSIONING')
      expect(transient).to.equal(false)
      expect(passive.result?.error?.code).to.equal('ERR_REPL_VERSIONING')
      expect(passive.result?.error?.message).to.include('rev-trees').and.to.include('version-vectors')
      expect(trees.default.snapshot()).to.have.keys(['tree'])
    })
    it(`does so when vectors ${settings.push === undefined ? 'replicate with' : 'pull from'} trees`, async () => {
      const { error, transient, passive } = await replicate(vectors, trees, settings)
      expect(error?.code).to.equal('ERR_REPL_VERSIONING')
      expect(transient).to.equal(false)
      expect(passive.result?.error?.code).to.equal('ERR_REPL_VERSIONING')
      expect(vectors.default.snapshot()).to.have.keys(['vector'])
    })
  }

  it('ends so when vectors push to trees', async () => {
    const { error, transient, passive } = await replicate(vectors, trees, { pull: false })
    expect(error?.code).to.equal('ERR_REPL_VERSIONING')
    expect(transient).to.equal(false)
    expect(passive.result?.error?.code).to.equal('ERR_REPL_VERSIONING')
    expect(trees.default.snapshot()).to.have.keys(['tree'])
  })

  it('lets trees push to vectors, which keep their revision ids', async () => {
    trees.default.put('tree', { x: 2 })
    const { error } = await replicate(trees, vectors, { pull: false })
    expect(error).to.equal(undefined)
    expect(vectors.default.revision('tree')).to.deep.include({ revId: trees.default.docs.get('tree')?.current, merges: 0 })
    trees.default.put('tree', { x: 3 })
    expect((await replicate(trees, vectors, { pull: false })).error).to.equal(undefined)
    expect(vectors.default.json('tree')).to.deep.equal({ x: 3 })
  })

  it('reports documents that were edited there meanwhile', async () => {
    await replicate(trees, vectors, { pull: false })
    vectors.default.put('tree', { x: 'theirs' })
    trees.default.put('tree', { x: 'ours' })
    const { error, active } = await replicate(trees, vectors, { pull: false })
    expect(error).to.equal(undefined)
    expect(active.documents.map((event) => event.error?.code)).to.deep.equal(['ERR_REPL_DOC_CONFLICT'])
    expect(vectors.default.json('tree')).to.deep.equal({ x: 'theirs' })
  })
})
