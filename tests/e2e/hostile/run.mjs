// node tests/e2e/hostile/run.mjs: peers that mean harm, in this process. Needs a built checkout; uses memory and loopback only.
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url)
