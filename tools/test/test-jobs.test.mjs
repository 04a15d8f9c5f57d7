import { expect } from 'chai'
import { dealJobs, readOutcome, runJobs } from '../lib/test-jobs.mjs'

const files = (count) => Array.from({ length: count }, (_, index) => `f${index}`)

describe('dealing test files into jobs', () => {
  it('gives every file to one job, of one suite, and no job too many', () => {
    const suites = [
      { name: 'a', files: files(3) },
      { name: 'b', files: files(11) },
      { name: 'c', files: [] }
    ]
    const jobs = dealJobs(suites, 5)
    expect(jobs.map(({ name }) => name)).to.deep.equal(['b 1/3', 'b 2/3', 'b 3/3', 'a'])
    expect(jobs.slice(0, 3).flatMap((job) => job.files)).to.have.members(files(11))
    expect(jobs.every((job) => job.files.length <= 5)).to.equal(true)
  })

  it('parts neighbours', () => {
    expect(dealJobs([{ name: 'a', files: files(4) }], 2).map((job) => job.files)).to.deep.equal([
      ['f0', 'f2'],
      ['f1', 'f3']
    ])
  })
})

describe('the outcome of a mocha run', () => {
  it('is read from its text, failures included', () => {
    const text =
      '  a\n    ✔ 3 failing fast\n\n\u001b[92m \u001b[0m\u001b[32m 12 passing\u001b[0m (3s)\n  1 pending\n  2 failing\n\n  1) a\n       b:\n     Error: c\n'
    expect(readOutcome(text)).to.deep.equal({ passed: 12, failed: 2, pending: 1, failures: '\n\n  1) a\n       b:\n     Error: c\n' })
  })

  it('is nothing when it crashed', () => {
    expect(readOutcome('Error: no such module')).to.deep.equal({ passed: 0, failed: 0, pending: 0, failures: '' })
  })
})

describe('running jobs side by side', () => {
  const run = async (jobs, workers, results) => {
    let text = ''
    let running = 0
    let most = 0
    const totals = await runJobs(
      jobs.map((name) => ({ name, files: [name] })),
      {
        workers,
        print: (more) => {
          text += more
        },
        async runJob({ name }) {
          running += 1
          most = Math.max(most, running)
          await new Promise((resolve) => setImmediate(resolve))
          running -= 1
          return results[name] ?? { code: 0, text: '  1 passing (1ms)\n' }
        }
      }
    )
    return { ...totals, text, most }
  }

  it('runs as many at a time as asked for, and adds up', async () => {
    const { code, text, most } = await run(['a', 'b', 'c', 'd', 'e'], 2, {})
    expect({ code, most }).to.deep.equal({ code: 0, most: 2 })
    expect(text).to.match(/^ {2}5 passing /m)
    expect(text).not.to.match(/failing$/m)
  })

  it('fails with a failed test, and repeats it at the end', async () => {
    const failed = { code: 1, text: '  1 passing (1ms)\n  1 failing\n\n  1) the test\n' }
    const { code, passed, failed: count, text } = await run(['a', 'b', 'c'], 1, { b: failed })
    expect({ code, passed, count }).to.deep.equal({ code: 1, passed: 3, count: 1 })
    const end = text.slice(text.lastIndexOf(' failing'))
    expect(end).to.include('of b:').and.to.include('1) the test')
    expect(text).to.match(/^ {2}3 passing[\s\S]*^ {2}1 failing$/m)
  })

  it('fails when a job ends badly without a failed test', async () => {
    const { code, text } = await run(['a', 'b'], 2, { a: { code: 7, text: '  1 passing (1ms)\nno memory\n' } })
    expect(code).to.equal(1)
    expect(text)
      .to.include('a ended with exit code 7 without a failed test')
      .and.to.match(/no memory\n$/)
  })
})
