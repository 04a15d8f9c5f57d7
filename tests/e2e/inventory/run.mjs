// node tests/e2e/inventory/run.mjs: the example's pages in Debian's Chromium, three devices at a time. Needs the package chromium and a built
// checkout; uses loopback only.
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url)
