// node tests/interop/mqtt-mosquitto/run.mjs: runs this folder's suite and exits with 1 when anything failed or is missing. Needs mosquitto and a built checkout.
import { runFolder } from '../../support/run-folder.mjs'
import { isMosquittoInstalled } from './mosquitto.mjs'

await runFolder(import.meta.url, { missing: isMosquittoInstalled() ? [] : ['mosquitto'] })
