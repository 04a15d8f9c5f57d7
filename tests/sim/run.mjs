// node tests/sim/run.mjs: whole meshes in virtual time, in this process. Needs a built checkout. Options: --grep TEXT.
import { runSuite } from '../../tools/lib/run-suite.mjs'

const files = ['./scenarios.spec.mjs', './mutants.spec.mjs', './large.spec.mjs', './cli.spec.mjs', './random.spec.mjs']
await runSuite(
  files.map((file) => new URL(file, import.meta.url)),
  { timeoutMs: 1_500_000 }
)
