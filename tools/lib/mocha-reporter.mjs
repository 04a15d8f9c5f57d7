// Mocha's spec reporter, which also notes the counts of each suite (a package, or the tools) and the titles of failed tests for
// tools/suite-summary.mjs, shows what the processes of a failed test printed, and takes a test that is repeated for a failed one.
import { relative, sep } from 'node:path'
import Mocha from 'mocha'
import { recordSuite } from '../suite-summary.mjs'
import { forgetEnded, noteworthy } from './processes.mjs'
import { root } from './run.mjs'

function suiteOf(file) {
  const [kind, name, sub] = relative(root, file ?? '').split(sep)
  if (kind === 'tools') return 'tools'
  if (kind !== 'tests') return `${kind}/${name}`
  return sub?.endsWith('.mjs') ? name : `${name}/${sub}`
}

const MAX_TITLES = 10

export default class extends Mocha.reporters.Spec {
  #processes = new Map()

  constructor(runner, options) {
    super(runner, options)
    const counts = new Map()
    const count = (runnable, outcome) => {
      const suite = suiteOf(runnable.file ?? runnable.parent?.file)
      const entry = counts.get(suite) ?? { passed: 0, failed: 0, skipped: 0, titles: [] }
      entry[outcome] += 1
      if (outcome === 'failed' && entry.titles.length < MAX_TITLES) entry.titles.push(runnable.fullTitle())
      counts.set(suite, entry)
    }
    runner.on('pass', (test) => count(test, 'passed'))
    runner.on('fail', (test) => {
      count(test, 'failed')
      this.#processes.set(test, noteworthy())
    })
    runner.on('test', forgetEnded)
    runner.on('pending', (test) => count(test, 'skipped'))
    // A race that shows itself now and then would stay hidden behind repetitions.
    runner.on('retry', (test, cause) => {
      runner.fail(test, new Error('It failed and was to be repeated; tests are not repeated here', { cause }))
    })
    runner.once('end', () => {
      for (const [name, { titles, ...entry }] of counts) recordSuite({ name, ...entry, ...(titles.length > 0 && { titles }) })
    })
  }

  epilogue() {
    super.epilogue()
    for (const [index, test] of this.failures.entries()) {
      const processes = this.#processes.get(test) ?? []
      if (processes.length === 0) continue
      console.log(`  the processes of ${index + 1}) ${test.fullTitle()}`)
      for (const { name, state, out, err } of processes) {
        console.log(`    ${name} (${state})`)
        for (const line of out) console.log(`      out: ${line}`)
        for (const line of err) console.log(`      err: ${line}`)
      }
      console.log()
    }
  }
}
