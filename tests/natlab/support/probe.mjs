// node probe.mjs SERVER…: measures this host's network once and writes the routes of IPv4 as one line of JSON.
import { silentLogger, systemClock } from '@kithmesh/core'
import { natProbe } from '@kithmesh/stun'

const probe = natProbe({ servers: process.argv.slice(2) }).create({ logger: silentLogger, clock: systemClock })
const { routes } = await probe.measure({ signal: AbortSignal.timeout(10_000) })
await probe.shutdown()
process.stdout.write(`${JSON.stringify(routes.filter(({ family }) => family === 4))}\n`)
