// node tests/interop/couchbase-lite-java/run.mjs: runs this folder's suite and exits with 1 when anything failed. Needs a built checkout.
import { runSuite } from '../../../tools/lib/run-suite.mjs'

await runSuite([new URL('./witness.spec.mjs', import.meta.url)], { timeoutMs: 180_000 })
