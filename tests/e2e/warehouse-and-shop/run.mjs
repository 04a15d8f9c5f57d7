// node tests/e2e/warehouse-and-shop/run.mjs: runs this folder's suite and exits with 1 when anything failed. Needs a built checkout; uses loopback only.
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url)
