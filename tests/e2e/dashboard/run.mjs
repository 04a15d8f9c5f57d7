// node tests/e2e/dashboard/run.mjs: the page of `kithmesh sync --web` and those of the demo, looked at in Debian's Chromium. Needs a built
// checkout and the Debian package chromium; uses loopback only.
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url)
