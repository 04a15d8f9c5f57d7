// node tests/e2e/ble/run.mjs: programs that share nothing but a virtual air of Bluetooth LE. Needs a built checkout; everything is on loopback.
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url)
