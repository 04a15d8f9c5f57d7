// node tests/interop/turn-coturn/run.mjs: runs this folder's suite against Debian's coturn on loopback, and exits with 1 when anything failed or is
// missing. Needs a built checkout.
import { runSuite } from '../../../tools/lib/run-suite.mjs'
import { missingCoturn } from './coturn.mjs'

const missing = missingCoturn()
if (missing.length > 0) {
  console.error(`turn-coturn: missing ${missing.join(', ')}`)
  process.exitCode = 1
} else await runSuite([new URL('./turn-coturn.spec.mjs', import.meta.url)], { timeoutMs: 60_000 })
