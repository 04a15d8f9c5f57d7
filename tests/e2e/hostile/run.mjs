// node tests/e2e/hostile/run.mjs: peers that mean harm, in this process. Needs a built checkout; uses memory and loopback only.
import { runSuite } from '../../../tools/lib/run-suite.mjs'

const files = ['./slow-loris.spec.mjs', './bomb.spec.mjs', './bounds.spec.mjs', './fuzz.spec.mjs']
await runSuite(
  files.map((file) => new URL(file, import.meta.url)),
  { timeoutMs: 60_000 }
)
