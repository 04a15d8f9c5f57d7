// node tests/interop/couchbase-lite-java/run.mjs [PART…]: runs this folder's suites, or those whose names contain a part, and exits with 1 when
// anything failed. Needs a built checkout.
import { readdirSync } from 'node:fs'
import { runSuite } from '../../../tools/lib/run-suite.mjs'

const parts = process.argv.slice(2)
const files = readdirSync(new URL('.', import.meta.url))
  .filter((name) => name.endsWith('.spec.mjs') && (parts.length === 0 || parts.some((part) => name.includes(part))))
  .sort()
await runSuite(
  files.map((name) => new URL(name, import.meta.url)),
  { timeoutMs: 120_000 }
)
