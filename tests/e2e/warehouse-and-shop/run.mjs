// node tests/e2e/warehouse-and-shop/run.mjs: runs this folder's suite and exits with 1 when anything failed. Needs a built checkout; uses loopback only.
import { runSuite } from '../../../tools/lib/run-suite.mjs'

await runSuite([new URL('./warehouse-and-shop.spec.mjs', import.meta.url)], { timeoutMs: 90_000 })
