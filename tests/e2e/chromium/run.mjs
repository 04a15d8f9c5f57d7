// node tests/e2e/chromium/run.mjs: what other suites rely on when they open pages in Debian's Chromium. Uses loopback only.
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url)
