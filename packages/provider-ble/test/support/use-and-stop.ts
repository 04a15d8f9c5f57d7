// Run as a process of its own: two devices use everything of each other, are stopped, and the process has to end by itself.
import { silentLogger } from '@kithmesh/core'
import { realClock } from '@kithmesh/testkit'
import { VirtualAir } from '@kithmesh/testkit/ble'
import type { BleLibrary } from '../../dist/library/libraries.js'
import { loadBleno } from '../../dist/library/load-bleno.js'
import { createPublisher } from '../../dist/publisher/publisher.js'
import { SERVICE, airPeer } from './air-peers.ts'

const library = process.argv[2] as BleLibrary
const listeners = (): number[] => [process.listenerCount('SIGINT'), process.listenerCount('exit')]
const before = listeners()
const { signal } = new AbortController()
const air = new VirtualAir({ clock: realClock })
const peers = [await airPeer(air, library), await airPeer(air, library)] as const
const publishers = peers.map(({ host }) =>
  createPublisher({
    clock: realClock,
    logger: silentLogger,
    load: () => loadBleno(library, host.stack('peripheral'), { logger: silentLogger }),
    listen: (options) => host.listen(options)
  })
)
await Promise.all(
  publishers.map((publisher) =>
    publisher.publish({
      serviceUuid: SERVICE,
      displayName: 'device',
      metadata: Buffer.from('\x03a=1'),
      onStream: (stream) => {
        stream.on('error', () => undefined)
        stream.pipe(stream)
      }
    })
  )
)
await Promise.all(
  peers.map(async ({ central }, index) => {
    const other = peers[1 - index]?.id ?? ''
    await central.startScan(SERVICE, () => undefined)
    const { psm } = await central.read(other, { signal })
    await central.watch(other, { metadata: () => undefined, ended: () => undefined }, { signal })
    for (const by of [psm, 0]) {
      const stream = await central.openStream(other, by, { signal })
      stream.on('error', () => undefined)
      stream.write('something')
    }
    central.read('c0ffee00ffff', { signal }).catch(() => undefined)
  })
)
for (const peer of peers) await peer.central.stop()
for (const publisher of publishers) await publisher.stop()
for (const peer of peers) await peer.stop()
await air.close()
const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
process.stdout.write(JSON.stringify({ before, after: listeners(), timers }))
