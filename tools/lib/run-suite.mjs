// Runs spec files in this process with the project's reporter and hooks; for suites that are programs of their own (interop, end to end).
// `--grep TEXT` and `--bail` of the command line are mocha's.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import Mocha from 'mocha'
import { mochaHooks } from '../mocha-hooks.mjs'
import Reporter from './mocha-reporter.mjs'

/** Sets the exit code: 0 when all passed and at least one test ran. */
export async function runSuite(files, { timeoutMs }) {
  const { values } = parseArgs({ options: { grep: { type: 'string' }, bail: { type: 'boolean', default: false } }, strict: false })
  const mocha = new Mocha({ timeout: timeoutMs, forbidOnly: true, reporter: Reporter, rootHooks: mochaHooks, ...values })
  for (const file of files) mocha.addFile(fileURLToPath(file))
  await mocha.loadFilesAsync()
  const stats = await new Promise((resolve) => {
    const runner = mocha.run(() => resolve(runner.stats))
  })
  process.exitCode = stats.failures === 0 && stats.passes > 0 ? 0 : 1
}
