// An inventory kept by two devices behind routers, with one relay of our own: they find each other at its broker, and connect by what it tells them.
import { expect } from 'chai'
import { done } from '../support/kithmesh.mjs'
import { withItems } from '../across-nats/inventory.mjs'
import { allLinked, endScenes, repeated } from '../across-nats/scene.mjs'
import { relayScene } from './relay-scene.mjs'

/** Routers behind which exactly one strategy works for the device that dials, a. */
const cases = [
  { strategy: 'direct', nats: { a: 'port-restricted', b: 'open' }, addresses: 1 },
  { strategy: 'tcp-hole-punch', nats: { a: 'port-restricted', b: 'port-restricted' }, addresses: 1 },
  { strategy: 'tcp-hole-punch', nats: { a: 'port-restricted', b: 'eim-random' }, addresses: 2 },
  { strategy: 'turn', nats: { a: 'symmetric-random', b: 'symmetric-random' }, addresses: 1 },
  { strategy: 'turn', nats: { a: 'symmetric-random', b: 'symmetric-random' }, addresses: 2 }
]

describe('kithmesh relay serves two devices across NATs', () => {
  let scene
  afterEach(endScenes)

  for (const { strategy, nats, addresses } of cases) {
    it(`that connect by ${strategy}, ${nats.a} to ${nats.b}, with ${addresses} address(es)`, async () => {
      scene = await relayScene(nats, { addresses })
      for (const name of ['a', 'b'])
        await withItems(scene.directory(name), (items) => items.addMany(name, 40, { pictureBytes: 50_000, everyNthPicture: 4 }))
      const [a, b] = [scene.sync('a'), scene.sync('b')]
      const [linkA, linkB] = await allLinked([a, b], strategy)
      const quality = strategy === 'turn' ? 'relayed' : 'direct'
      expect([linkA.quality, linkB.quality]).to.deep.equal([quality, quality])
      await scene.becomesEqual('a', 'b')
      for (const name of ['a', 'b']) await withItems(scene.directory(name), (items) => items.add(`late-${name}`, { pictureBytes: 300_000 }))
      await done(['rm', scene.directory('a'), 'from:b'])
      await scene.becomesEqual('a', 'b')
      expect(repeated(a)).to.deep.equal([])
      expect(repeated(b)).to.deep.equal([])
      expect([await a.stop(), await b.stop()], `${a.err}${b.err}`).to.deep.equal([0, 0])
      expect(await scene.expectEqual('a', 'b')).to.equal(2 * 42 - 1)

      const { command } = scene.relay
      const isIdle = ({ event, broker, turn }) => event === 'status' && broker.clients === 0 && turn.allocations === 0
      const { turn } = await command.until(
        ({ events }) => events.slice(2).findLast(isIdle) === events.at(-1) && events.at(-1),
        'everything given back'
      )
      if (strategy === 'turn') expect(turn.relayedBytes).to.be.greaterThan(600_000)
      expect(await command.stop()).to.equal(0)
      expect(command.events.at(-1)).to.deep.equal({ event: 'stopped' })
    })
  }
})
