// node tests/e2e/plugin-kit/run.mjs: what an author of a plugin does, with nothing but the published packages and the pages: in folders outside of
// the checkout, from packed packages. Needs a built checkout and npm; uses loopback only, but for what npm fetches.
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url, { timeoutMs: 300_000 })
