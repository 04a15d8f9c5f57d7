// node tests/e2e/across-nats/run.mjs: `kithmesh sync` across NATs, in the NAT lab's network namespaces with mosquitto and coturn.
// Needs root, the packages nftables, iproute2, conntrack, mosquitto and coturn, and a built checkout. Nothing of it touches the machine's own network.
import { readdirSync } from 'node:fs'
import { runSuite } from '../../../tools/lib/run-suite.mjs'

if (process.getuid?.() !== 0) {
  console.error('error: making network namespaces needs root; run this as root')
  process.exit(1)
}
const here = new URL('.', import.meta.url)
const specs = readdirSync(here).filter((name) => name.endsWith('.spec.mjs'))
await runSuite(
  specs.sort().map((name) => new URL(name, here)),
  { timeoutMs: 90_000 }
)
