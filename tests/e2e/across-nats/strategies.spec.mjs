// An inventory kept by two devices behind routers, over every strategy.
import { expect } from 'chai'
import { done } from '../support/kithmesh.mjs'
import { withItems } from './inventory.mjs'
import { Scene, allLinked, endScenes, repeated } from './scene.mjs'

/** Routers behind which exactly one strategy works for the device that dials, a. */
const cases = [
  { strategy: 'direct', nats: { a: 'port-restricted', b: 'open' } },
  { strategy: 'reverse', nats: { a: 'open', b: 'port-restricted' } },
  { strategy: 'tcp-hole-punch', nats: { a: 'port-restricted', b: 'port-restricted' } },
  { strategy: 'turn', nats: { a: 'symmetric-random', b: 'symmetric-random' } }
]

describe('kithmesh sync across NATs: an inventory', () => {
  let scene
  afterEach(endScenes)

  for (const { strategy, nats } of cases) {
    it(`converges over ${strategy}, ${nats.a} to ${nats.b}`, async () => {
      scene = await Scene.create(nats)
      for (const name of ['a', 'b'])
        await withItems(scene.directory(name), async (items) => {
          await items.addMany(name, 60, { pictureBytes: 20_000, everyNthPicture: 5 })
          await items.add('disputed', { quantity: name === 'a' ? 5 : 7, by: name })
          if (name === 'a') items.edit('disputed', { quantity: 6 })
        })
      const [a, b] = [scene.sync('a'), scene.sync('b')]
      const [linkA, linkB] = await allLinked([a, b], strategy)
      expect([linkA.direction, linkB.direction]).to.deep.equal(['outgoing', 'incoming'])
      const quality = strategy === 'turn' ? 'relayed' : 'direct'
      expect([linkA.quality, linkB.quality]).to.deep.equal([quality, quality])
      await scene.becomesEqual('a', 'b')

      // Both edit the same items at once, and delete what the other one edits.
      await withItems(scene.directory('a'), (atA) =>
        withItems(scene.directory('b'), (atB) => {
          const sides = [
            ['a', 'b', atA],
            ['b', 'a', atB]
          ]
          for (const [own, other, items] of sides) {
            items.edit('a-1', { quantity: own === 'a' ? 10 : 20 })
            items.edit(`${own}-2`, { name: 'renamed' })
            items.edit(`${other}-3`, { note: 'edited while the other one deletes' })
          }
          for (const [own, , items] of sides) items.delete(`${own}-3`)
        })
      )
      for (const name of ['a', 'b']) await withItems(scene.directory(name), (items) => items.add(`late-${name}`, { pictureBytes: 300_000 }))
      await done(['rm', scene.directory('a'), 'from:b'])
      await scene.becomesEqual('a', 'b')
      expect(repeated(a)).to.deep.equal([])
      expect(repeated(b)).to.deep.equal([])
      expect([await a.stop(), await b.stop()], `${a.err}${b.err}`).to.deep.equal([0, 0])
      // 2 × (1 + 60 + 1) documents and the disputed one; of the deleted ones, the deletion wins.
      expect(await scene.expectEqual('a', 'b')).to.equal(125 - 3)
    })
  }
})
