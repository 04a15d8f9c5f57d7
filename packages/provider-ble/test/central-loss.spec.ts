import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import fc from 'fast-check'
import { errorCode } from '@kithmesh/core'
import { manualClock } from '@kithmesh/testkit'
import { VirtualAir, seededRandom } from '@kithmesh/testkit/ble'
import type { BleLibrary } from '../dist/library/libraries.js'
import { type AirPeer, airPeer, pass, publishOn } from './support/air-peers.ts'

const TYPED = ['ERR_BLE_LINK_LOST', 'ERR_BLE_TIMEOUT', 'ERR_BLE_CONNECT', 'ERR_BLE_CHANNEL_REFUSED']

describe('a device that goes away at any moment', () => {
  it('fails what was under way with a reason, ends what was there, and is there again when it is back', async function () {
    this.timeout(120_000)
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.integer(),
          library: fc.constantFrom<BleLibrary>('abandonware', 'stoprocent'),
          afterMs: fc.integer({ min: 0, max: 200 }),
          what: fc.constantFrom('read', 'watch', 'channel', 'tunnel'),
          how: fc.constantFrom('separate', 'unplug', 'abort'),
          loss: fc.constantFrom(0, 0.1)
        }),
        async ({ seed, library, afterMs, what, how, loss }) => {
          const clock = manualClock()
          const random = seededRandom(seed)
          const air = new VirtualAir({ clock, random })
          const peers: AirPeer[] = []
          const streams: Duplex[] = []
          try {
            for (let count = 0; count < 2; count++) {
              peers.push(
                await pass(clock, 'the start', airPeer(air, library, { clock, random, supervisionMs: 500, attemptMs: 1000, hearMs: 1000 }))
              )
            }
            const [own, other] = peers as [AirPeer, AirPeer]
            await pass(clock, 'publishing', publishOn(other.host, library, { clock, stream: true }))
            air.setLoss({ advertising: loss })
            const controller = new AbortController()
            const reason = new Error('enough')
            const { signal } = controller
            const errors: unknown[] = []
            const ended: Error[] = []
            const begin = async (): Promise<void> => {
              if (what === 'read') await own.central.read(other.id, { signal })
              else if (what === 'watch') {
                await own.central.watch(other.id, { metadata: () => undefined, ended: (error) => ended.push(error) }, { signal })
              } else {
                const stream = await own.central.openStream(other.id, what === 'channel' ? 0x80 : 0, { signal })
                stream.on('error', (error) => ended.push(error))
                stream.resume()
                streams.push(stream)
              }
            }
            const done = begin().catch((error: unknown) => errors.push(error))
            await pass(clock, 'a while', clock.sleep(afterMs))
            if (how === 'separate') air.separate(own.controller, other.controller)
            else if (how === 'unplug') other.controller.unplug()
            else controller.abort(reason)
            await pass(clock, 'what was under way', done)
            if (how === 'abort') for (const error of errors) expect(error).to.equal(reason)
            else {
              for (const error of errors) expect(TYPED).to.include(errorCode(error), String(error))
              // What came to be before ends, too.
              if (errors.length === 0 && what !== 'read') {
                for (let waited = 0; ended.length === 0 && waited < 5000; waited++) await clock.advance(1)
                expect(ended.map(errorCode)).to.deep.equal(['ERR_BLE_LINK_LOST'])
              }
            }
            if (how === 'unplug') return
            air.join(own.controller, other.controller)
            // The abandonware library does not advertise again by itself before it has lost the link.
            for (let waited = 0; !other.controller.advertising && other.controller.links.length === 0 && waited < 5000; waited++)
              await clock.advance(1)
            const again = new AbortController()
            const record = await pass(
              clock,
              'another try',
              retried(() => own.central.read(other.id, { signal: again.signal }))
            )
            expect(record.metadata.length).to.equal(4)
          } finally {
            for (const stream of streams) stream.destroy()
            await pass(clock, 'the stop', Promise.all(peers.map((peer) => peer.stop())))
            for (const { controller } of peers) expect(controller.violations).to.deep.equal([])
            await air.close()
          }
          expect(clock.pending, 'timers').to.equal(0)
        }
      ),
      { numRuns: 40 }
    )
  })
})

/** The other side may not have noticed yet that the link is gone. */
async function retried<T>(run: () => Promise<T>): Promise<T> {
  for (let left = 5; ; left--) {
    try {
      return await run()
    } catch (error) {
      if (left === 0) throw error
    }
  }
}
