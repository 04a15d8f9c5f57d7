// node tests/e2e/cli/run.mjs: the commands as processes on the loopback interface. Needs a built checkout.
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url)
