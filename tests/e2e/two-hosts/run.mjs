// node tests/e2e/two-hosts/run.mjs: `kithmesh` on two hosts, which are network namespaces joined by a cable of their own.
// Needs root, the package iproute2 and a built checkout. Nothing of it touches the machine's own network.
import { runSuite } from '../../../tools/lib/run-suite.mjs'

if (process.getuid?.() !== 0) {
  console.error('error: making network namespaces needs root; run this as root')
  process.exit(1)
}
await runSuite([new URL('./two-hosts.spec.mjs', import.meta.url), new URL('./interfaces.spec.mjs', import.meta.url)], { timeoutMs: 60_000 })
