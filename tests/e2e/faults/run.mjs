// node tests/e2e/faults/run.mjs: connections cut at every message and at random bytes. Needs a built checkout; uses memory and loopback only.
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url)
