// Runs spec files in this process with the project's reporter and hooks; for suites that are programs of their own (interop, end to end).
// Words on the command line choose the files whose names contain one of them; `--grep TEXT` and `--bail` are mocha's.
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import Mocha from 'mocha'
import { mochaHooks } from '../mocha-hooks.mjs'
import { recordSuite } from '../suite-summary.mjs'
import Reporter from './mocha-reporter.mjs'

/** Counts all tests of the files as skipped, for something that this machine lacks, and says so. */
export async function skipSuite(name, files, reason) {
  const mocha = new Mocha()
  for (const file of files) mocha.addFile(fileURLToPath(file))
  await mocha.loadFilesAsync()
  const skipped = mocha.suite.total()
  recordSuite({ name, passed: 0, failed: 0, skipped, reason })
  console.log(`${name}: skipped, ${reason}\n0 passed, 0 failed, ${skipped} skipped`)
}

/**
 * Sets the exit code: 0 when all passed and at least one test ran. `timeoutMs` is the limit of a test: far above what it takes, so that it ends what
 * hangs and nothing that is slow.
 */
export async function runSuite(urls, { timeoutMs = 180_000 } = {}) {
  const options = { grep: { type: 'string' }, bail: { type: 'boolean', default: false } }
  const { values, positionals: words } = parseArgs({ options, allowPositionals: true })
  const files = urls.map(fileURLToPath).filter((file) => words.length === 0 || words.some((word) => basename(file).includes(word)))
  const mocha = new Mocha({ timeout: timeoutMs, forbidOnly: true, reporter: Reporter, rootHooks: mochaHooks, ...values })
  for (const file of files) mocha.addFile(file)
  await mocha.loadFilesAsync()
  const stats = await new Promise((resolve) => {
    const runner = mocha.run(() => resolve(runner.stats))
  })
  process.exitCode = stats.failures === 0 && stats.passes > 0 ? 0 : 1
}
