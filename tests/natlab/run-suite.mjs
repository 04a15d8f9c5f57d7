// node tests/natlab/run-suite.mjs: runs this folder's suites and exits with 1 when anything failed or is missing. Needs root and a built checkout.
import { runFolder } from '../support/run-folder.mjs'

await runFolder(import.meta.url)
