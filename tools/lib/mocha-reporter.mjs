// Mocha's spec reporter, which also notes the counts of each suite (a package, or the tools) for tools/suite-summary.mjs.
import { relative, sep } from 'node:path'
import Mocha from 'mocha'
import { recordSuite } from '../suite-summary.mjs'
import { root } from './run.mjs'

function suiteOf(file) {
  const [kind, name, sub] = relative(root, file ?? '').split(sep)
  if (kind === 'tools') return 'tools'
  if (kind !== 'tests') return `${kind}/${name}`
  return sub?.endsWith('.mjs') ? name : `${name}/${sub}`
}

export default class extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options)
    const counts = new Map()
    const count = (runnable, outcome) => {
      const suite = suiteOf(runnable.file ?? runnable.parent?.file)
      const entry = counts.get(suite) ?? { passed: 0, failed: 0, skipped: 0 }
      entry[outcome] += 1
      counts.set(suite, entry)
    }
    runner.on('pass', (test) => count(test, 'passed'))
    runner.on('fail', (test) => count(test, 'failed'))
    runner.on('pending', (test) => count(test, 'skipped'))
    runner.once('end', () => {
      for (const [name, entry] of counts) recordSuite({ name, ...entry })
    })
  }
}
