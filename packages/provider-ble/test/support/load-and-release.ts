// Run as a process of its own: loads both libraries of a family, brings them up, releases them, and has to end by itself.
import { silentLogger } from '@kithmesh/core'
import type { BleLibrary } from '../../dist/library/libraries.js'
import { loadBleno } from '../../dist/library/load-bleno.js'
import { loadNoble } from '../../dist/library/load-noble.js'
import { answeringStack } from './answering-stack.ts'

const library = process.argv[2] as BleLibrary
const before = { interrupt: process.listenerCount('SIGINT'), exit: process.listenerCount('exit') }
const options = { logger: silentLogger }
const nobles = [loadNoble(library, answeringStack(), options), loadNoble(library, answeringStack(), options)]
const blenos = [loadBleno(library, answeringStack(), options), loadBleno(library, answeringStack(), options)]

const poweredOn = [...nobles.map(({ noble }) => noble), ...blenos.map(({ bleno }) => bleno)].map(
  (events) =>
    new Promise<void>((resolve) => {
      events.on('stateChange', (state) => {
        if (state === 'poweredOn') resolve()
      })
    })
)
for (const loaded of [...nobles, ...blenos]) loaded.start()
await Promise.all(poweredOn)
for (const loaded of [...nobles, ...blenos]) loaded.release()
process.stdout.write(
  JSON.stringify({
    interrupt: process.listenerCount('SIGINT') - before.interrupt,
    exit: process.listenerCount('exit') - before.exit,
    timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  })
)
