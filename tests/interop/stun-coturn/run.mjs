// node tests/interop/stun-coturn/run.mjs: STUN and TURN against Debian's coturn, on loopback addresses. Needs a built checkout.
import { missingCoturn } from '../../support/coturn.mjs'
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url, { missing: missingCoturn() })
