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

  it('is not well when a required suite is absent, or ran nothing but skipped tests', () => {
    expect(summarise([line('a', 5)], ['b'])).to.deep.include({ idle: ['b'], ok: false })
    expect(summarise([line('a', 5), line('b', 0, 0, 4)], ['b'])).to.deep.include({ idle: ['b'], ok: false })
  })
})
