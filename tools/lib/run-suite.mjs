// Runs spec files in this process with the project's reporter and hooks; for suites that are programs of their own (interop).
import { fileURLToPath } from 'node:url'
import Mocha from 'mocha'
import { mochaHooks } from '../mocha-hooks.mjs'
import Reporter from './mocha-reporter.mjs'

/** Sets the exit code: 0 when all passed and at least one test ran. */
export async function runSuite(files, { timeoutMs }) {
  const mocha = new Mocha({ timeout: timeoutMs, forbidOnly: true, reporter: Reporter, rootHooks: mochaHooks })
  for (const file of files) mocha.addFile(fileURLToPath(file))
  await mocha.loadFilesAsync()
  const stats = await new Promise((resolve) => {
    const runner = mocha.run(() => resolve(runner.stats))
  })
  process.exitCode = stats.failures === 0 && stats.passes > 0 ? 0 : 1
}
