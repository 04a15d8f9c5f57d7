// node tests/interop/mqtt-mosquitto/run.mjs: runs this folder's suite and exits with 1 when anything failed or is missing. Needs mosquitto and a built checkout.
import { runSuite } from '../../../tools/lib/run-suite.mjs'
import { isMosquittoInstalled } from './mosquitto.mjs'

if (isMosquittoInstalled()) await runSuite([new URL('./mosquitto.spec.mjs', import.meta.url)], { timeoutMs: 60_000 })
else {
  console.error('mqtt-mosquitto: mosquitto is not installed')
  process.exitCode = 1
}
