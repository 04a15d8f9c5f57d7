// Two devices that start at the same instant: one link, on which both agree.
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { stopAll } from '../support/kithmesh.mjs'
import { Scene, allLinked, connectedLinks, endScenes, linksOf, strategyOf } from './scene.mjs'

const ROUNDS = 10

describe('kithmesh sync across NATs: two that start at the same instant', () => {
  let scene
  after(endScenes)

  it(`have one link, and agree on it, ${ROUNDS} times`, async function () {
    this.timeout(300_000)
    scene = await Scene.create({ a: 'port-restricted', b: 'port-restricted' })
    for (let round = 1; round <= ROUNDS; round++) {
      const [a, b] = [scene.sync('a'), scene.sync('b')]
      await allLinked([a, b], 'tcp-hole-punch')
      // News travels both ways, and by then nothing else is left open.
      await scene.newsTravels(round)
      await eventually(
        'one connection between the two',
        async () => (await scene.connectionsBetweenPeers('a')).length === 1 && (await scene.connectionsBetweenPeers('b')).length === 1
      )
      const links = [a, b].map((command) => {
        expect(linksOf(command)).to.have.length(1)
        return connectedLinks(command)[0]
      })
      expect(links.map(({ device }) => device)).to.deep.equal([scene.ids.b, scene.ids.a])
      expect(links.map(({ direction }) => direction).sort()).to.deep.equal(['incoming', 'outgoing'])
      expect(links.map(strategyOf)).to.deep.equal(['tcp-hole-punch', 'tcp-hole-punch'])
      expect(await Promise.all([a.stop(), b.stop()]), `${a.err}${b.err}`).to.deep.equal([0, 0])
      await stopAll()
    }
    await scene.expectEqual('a', 'b')
  })
})
