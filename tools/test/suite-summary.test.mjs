import { expect } from 'chai'
import { summarise } from '../suite-summary.mjs'

const line = (name, passed, failed = 0, skipped = 0) => ({ name, passed, failed, skipped })

describe('the summary of all suites', () => {
  it('adds up several runs of one suite', () => {
    const summary = summarise([line('a', 2), line('b', 1, 0, 3), line('a', 1)], ['a', 'b'])
    expect(summary).to.deep.include({ rows: [line('a', 3), line('b', 1, 0, 3)], totals: { passed: 4, failed: 0, skipped: 3 }, ok: true })
  })

  it('is not well when a test failed', () => {
    expect(summarise([line('a', 5, 1)], [])).to.include({ ok: false })
  })

  it('names the suites that failed, with the titles of their failed tests', () => {
    const lines = [
      line('a', 5),
      { ...line('b', 1, 1), titles: ['b does x'] },
      { ...line('b', 0, 2), titles: ['b does y', 'b does z'] },
      line('c', 0, 1)
    ]
    expect(summarise(lines, []).failures).to.deep.equal([
      { name: 'b', titles: ['b does x', 'b does y', 'b does z'] },
      { name: 'c', titles: [] }
    ])
    expect(summarise([line('a', 5)], []).failures).to.deep.equal([])
  })

  it('is not well when a required suite is absent, or ran nothing but skipped tests', () => {
    expect(summarise([line('a', 5)], ['b'])).to.deep.include({ idle: ['b'], ok: false })
    expect(summarise([line('a', 5), line('b', 0, 0, 4)], ['b'])).to.deep.include({ idle: ['b'], ok: false })
  })
  it('accepts a required suite that says why all of it was skipped, and keeps the reason', () => {
    const skipped = { ...line('b', 0, 0, 4), reason: 'no such hardware' }
    expect(summarise([line('a', 5), skipped], ['a', 'b'])).to.deep.include({
      reasons: [{ name: 'b', reason: 'no such hardware' }],
      totals: { passed: 5, failed: 0, skipped: 4 },
      idle: [],
      ok: true
    })
    expect(summarise([{ ...line('b', 0), reason: 'no such hardware' }], ['b'])).to.deep.include({ idle: ['b'], ok: false })
  })
})
