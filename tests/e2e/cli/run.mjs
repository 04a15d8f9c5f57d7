// node tests/e2e/cli/run.mjs: the commands as processes on the loopback interface. Needs a built checkout.
import { runSuite } from '../../../tools/lib/run-suite.mjs'

const specs = ['sync', 'trust', 'serve', 'tls', 'trouble', 'hostile', 'hostile-network'].map(
  (name) => new URL(`./${name}.spec.mjs`, import.meta.url)
)
await runSuite(specs, { timeoutMs: 60_000 })
