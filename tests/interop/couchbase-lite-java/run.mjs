// node tests/interop/couchbase-lite-java/run.mjs [PART…]: runs this folder's suites, or those whose names contain a part, and exits with 1 when
// anything failed. Needs a built checkout.
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url)
