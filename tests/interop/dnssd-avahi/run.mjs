// node tests/interop/dnssd-avahi/run.mjs: runs this folder's suite and exits with 1 when anything failed or is missing. Needs root and a built checkout.
import { runSuite } from '../../../tools/lib/run-suite.mjs'
import { missingPrerequisites } from './namespaces.mjs'

const missing = missingPrerequisites()
if (missing.length > 0) {
  console.error(`dnssd-avahi: missing ${missing.join(', ')}`)
  process.exitCode = 1
} else {
  await runSuite([new URL('./avahi.spec.mjs', import.meta.url), new URL('./two-hosts.spec.mjs', import.meta.url)], { timeoutMs: 60_000 })
}
