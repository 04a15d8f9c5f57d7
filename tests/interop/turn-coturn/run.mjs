// node tests/interop/turn-coturn/run.mjs: runs this folder's suite against Debian's coturn on loopback, and exits with 1 when anything failed or is
// missing. Needs a built checkout.
import { missingCoturn } from '../../support/coturn.mjs'
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url, { missing: missingCoturn() })
