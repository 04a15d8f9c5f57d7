// node tests/interop/ble-btvirt/run.mjs: runs this folder's suite and exits with 1 when anything failed or btvirt is missing. Where the kernel lacks
// what btvirt needs, its tests are counted as skipped. Needs root and a built checkout.
import { runSuite, skipSuite } from '../../../tools/lib/run-suite.mjs'
import { whatIsMissing } from './btvirt.mjs'

const files = [new URL('./btvirt.spec.mjs', import.meta.url)]
try {
  const missing = await whatIsMissing()
  if (missing === undefined) await runSuite(files)
  else await skipSuite('interop/ble-btvirt', files, missing)
} catch (error) {
  console.error(`ble-btvirt: ${error.message}`)
  process.exitCode = 1
}
