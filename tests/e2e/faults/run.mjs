// node tests/e2e/faults/run.mjs: connections cut at every message and at random bytes. Needs a built checkout; uses memory and loopback only.
import { runSuite } from '../../../tools/lib/run-suite.mjs'

await runSuite([new URL('./faults.spec.mjs', import.meta.url)], { timeoutMs: 120_000 })
