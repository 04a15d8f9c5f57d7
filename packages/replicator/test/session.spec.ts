import { expect } from 'chai'
import { MemoryStore } from './support/memory-store.ts'
import { replicate } from './support/sessions.ts'

describe('a replication session between two peers', () => {
  let a: MemoryStore
  let b: MemoryStore

  beforeEach(() => { a = new MemoryStore(); b = new MemoryStore() })

  it('pushes documents', async () => {
    for (let i = 0; i < 1000; i++) a.default.put(`doc-${i}`, { i })
    const { error, active } = await replicate(a, b, { pull: false })
    expect(error).to.equal(undefined)
    expect(b.default.snapshot()).to.deep.equal(a.default.snapshot())
    expect(active.documents).to.have.length(1000)
  })

  it('pulls documents', async () => {
    for (let i = 0; i < 1000; i++) b.default.put(`doc-${i}`, { i })
    const { error } = await replicate(a, b, { push: false })
    expect(error).to.equal(undefined)
    expect(a.default.snapshot()).to.deep.equal(b.default.snapshot())
  })
})
