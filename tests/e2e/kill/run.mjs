// node tests/e2e/kill/run.mjs: kills two replicating processes 200 times. Needs a built checkout; uses loopback and a temporary directory only.
import { runSuite } from '../../../tools/lib/run-suite.mjs'

await runSuite([new URL('./kill.spec.mjs', import.meta.url)], { timeoutMs: 150_000 })
