// node tests/interop/stun-coturn/run.mjs: STUN and TURN against Debian's coturn, on loopback addresses. Needs a built checkout.
import { runFolder } from '../../support/run-folder.mjs'
import { coturnIsThere } from './coturn.mjs'

await runFolder(import.meta.url, { missing: coturnIsThere() ? [] : ['turnserver; on Debian: apt-get install coturn'] })
