// node tests/e2e/replication-matrix/run.mjs: every combination of the settings of a replication. Needs a built checkout; uses loopback only.
import { runSuite } from '../../../tools/lib/run-suite.mjs'

const files = ['../support/database-differences.spec.mjs', './replication-matrix.spec.mjs']
await runSuite(files.map((file) => new URL(file, import.meta.url)))
