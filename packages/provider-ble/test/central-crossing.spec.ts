import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import fc from 'fast-check'
import { manualClock } from '@kithmesh/testkit'
import { VirtualAir, seededRandom } from '@kithmesh/testkit/ble'
import type { BleLibrary } from '../dist/library/libraries.js'
import { type AirPeer, airPeer, pass, publishOn } from './support/air-peers.ts'

type Wish = 'read' | 'watch' | 'stream'

const { signal } = new AbortController()

describe('two that connect to each other at once', () => {
  const wish = fc.record({ afterMs: fc.integer({ min: 0, max: 40 }), what: fc.constantFrom<Wish>('read', 'watch', 'stream') })
  const library = fc.constantFrom<BleLibrary>('abandonware', 'stoprocent')

  it('both get what they want, however it falls', async function () {
    this.timeout(120_000)
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          seed: fc.integer(),
          libraries: fc.tuple(library, library),
          wishes: fc.tuple(fc.array(wish, { minLength: 1, maxLength: 3 }), fc.array(wish, { minLength: 1, maxLength: 3 })),
          failures: fc.constantFrom(0, 0.1, 0.2),
          loss: fc.constantFrom(0, 0.2),
          lingerMs: fc.constantFrom(0, 50, 2000),
          how: fc.constantFrom('complete' as const, 'disconnected' as const)
        }),
        async ({ seed, libraries, wishes, failures, loss, lingerMs, how }) => {
          const clock = manualClock()
          const random = seededRandom(seed)
          const air = new VirtualAir({ clock, random })
          const peers: AirPeer[] = []
          const streams: Duplex[] = []
          const ends: Array<() => void> = []
          try {
            for (const of of libraries) peers.push(await pass(clock, 'the start', airPeer(air, of, { clock, random, lingerMs })))
            const psms: number[] = []
            for (const [index, peer] of peers.entries()) {
              psms.push((await pass(clock, 'publishing', publishOn(peer.host, libraries[index] as BleLibrary, { clock }))).psm)
            }
            air.failConnections({ rate: failures, how })
            air.setLoss({ advertising: loss })
            const done = peers.flatMap((peer, index) => {
              const other = peers[1 - index] as AirPeer
              return (wishes[index] ?? []).map(async ({ afterMs, what }) => {
                await clock.sleep(afterMs)
                if (what === 'read') expect((await peer.central.read(other.id, { signal })).psm).to.equal(psms[1 - index])
                else if (what === 'stream') streams.push(await peer.central.openStream(other.id, psms[1 - index] ?? 0, { signal }))
                else {
                  ends.push(await peer.central.watch(other.id, { metadata: () => undefined, ended: () => undefined }, { signal }))
                }
              })
            })
            await pass(clock, 'what they want', Promise.all(done))
            expect(peers[0]?.controller.links.length).to.be.at.most(1)
          } finally {
            for (const end of ends) end()
            for (const stream of streams) stream.destroy()
            await pass(clock, 'the stop', Promise.all(peers.map((peer) => peer.stop())))
            for (const { controller } of peers) expect(controller.violations).to.deep.equal([])
            await air.close()
          }
          // The tunnels and channels of the test's own publisher end with their hosts.
          expect(clock.pending).to.equal(0)
        }
      ),
      { numRuns: 40 }
    )
  })
})
