// node tests/e2e/kill/run.mjs: kills two replicating processes 200 times. Needs a built checkout; uses loopback and a temporary directory only.
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url)
