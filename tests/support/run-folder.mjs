// What the run.mjs of a suite is made of: every spec file beside it is run, so that none can be forgotten.
import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runSuite } from '../../tools/lib/run-suite.mjs'

/** Names root as missing, for suites that make network namespaces. */
export function missingRoot() {
  return process.getuid?.() === 0 ? [] : ['root, which making network namespaces needs']
}

/**
 * Runs the `*.spec.mjs` beside `program`, an `import.meta.url`, in the order of their names, and sets the exit code: 0 when all passed; of the
 * command line it takes what `runSuite` takes. When something is `missing` it says so, runs nothing and fails.
 */
export async function runFolder(program, { timeoutMs, missing = [] } = {}) {
  const folder = new URL('.', program)
  if (missing.length > 0) {
    console.error(`${basename(fileURLToPath(folder))}: missing ${missing.join(', ')}`)
    process.exitCode = 1
    return
  }
  const files = readdirSync(folder).filter((name) => name.endsWith('.spec.mjs'))
  await runSuite(
    files.sort().map((name) => new URL(name, folder)),
    { timeoutMs }
  )
}
