// node probe.mjs SERVER…: measures this host's network once and writes the routes of IPv4 as one line of JSON.
import { silentLogger, systemClock } from '@kithmesh/core'
import { natProbe } from '@kithmesh/stun'

const probe = natProbe({ servers: process.argv.slice(2) }).create({ logger: silentLogger, clock: systemClock })
const signal = AbortSignal.timeout(25_000)
let facts = await probe.measure({ signal })
// On a machine that is busy, its deadline may come before the end.
while (facts.cutOff) facts = await probe.measure({ signal })
await probe.shutdown()
process.stdout.write(`${JSON.stringify(facts.routes.filter(({ family }) => family === 4))}\n`)
