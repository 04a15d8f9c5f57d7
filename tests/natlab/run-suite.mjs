// node tests/natlab/run-suite.mjs: runs this folder's suites and exits with 1 when anything failed or is missing. Needs root and a built checkout.
import { readdirSync } from 'node:fs'
import { runSuite } from '../../tools/lib/run-suite.mjs'

const here = new URL('.', import.meta.url)
const specs = readdirSync(here).filter((name) => name.endsWith('.spec.mjs'))
await runSuite(
  specs.sort().map((name) => new URL(name, here)),
  { timeoutMs: 60_000 }
)
