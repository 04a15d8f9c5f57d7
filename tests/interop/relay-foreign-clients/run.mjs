// node tests/interop/relay-foreign-clients/run.mjs: clients of mosquitto and coturn against our relay, on loopback. Exits with 1 when anything failed or is
// missing. Needs Debian's mosquitto-clients, coturn and openssl, and a built checkout.
import { runFolder } from '../../support/run-folder.mjs'
import { missingPrograms } from './programs.mjs'

await runFolder(import.meta.url, { missing: missingPrograms() })
