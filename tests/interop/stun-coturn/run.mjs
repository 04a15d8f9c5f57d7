// node tests/interop/stun-coturn/run.mjs: STUN and TURN against Debian's coturn, on loopback addresses. Needs a built checkout.
import { runSuite } from '../../../tools/lib/run-suite.mjs'
import { coturnIsThere } from './coturn.mjs'

if (coturnIsThere())
  await runSuite(
    [
      new URL('./stun.spec.mjs', import.meta.url),
      new URL('./turn-udp.spec.mjs', import.meta.url),
      new URL('./turn-tcp.spec.mjs', import.meta.url)
    ],
    {
      timeoutMs: 30_000
    }
  )
else {
  console.error('stun-coturn: turnserver is missing; on Debian: apt-get install coturn')
  process.exitCode = 1
}
