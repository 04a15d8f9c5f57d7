// Run as a process of its own: publishes, is read by several centrals, stops, and has to end by itself.
import type { BleLibrary } from '../../dist/library/libraries.js'
import { publishedAir } from './published-air.ts'

const listeners = (): number => process.listenerCount('SIGINT') + process.listenerCount('exit')
const before = listeners()
const site = await publishedAir(process.argv[2] as BleLibrary)
await site.publish(Buffer.alloc(400, 'a'))
for (let index = 0; index < 4; index++) {
  const central = await site.central()
  await central.subscribe(central.handles.metadata)
  await central.subscribe(central.handles.stream)
  await central.readMetadata()
  if (index % 2 === 0) await central.att.disconnect()
}
await site.publisher.updateMetadata(Buffer.alloc(300, 'b'))
await site.close()
process.stdout.write(
  JSON.stringify({ listeners: listeners() - before, timers: process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length })
)
