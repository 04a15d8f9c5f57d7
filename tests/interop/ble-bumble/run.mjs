// node tests/interop/ble-bumble/run.mjs [PART…]: runs this folder's suites, or those whose names contain a part, and exits with 1 when anything
// failed or bumble cannot be had. Needs a built checkout, python3 and its pip.
import { runFolder } from '../../support/run-folder.mjs'
import { prepareBumble } from './prepare.mjs'

try {
  await prepareBumble()
  await runFolder(import.meta.url)
} catch (error) {
  console.error(`ble-bumble: ${error.message}`)
  process.exitCode = 1
}
