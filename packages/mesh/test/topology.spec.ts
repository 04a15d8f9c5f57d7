import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'
import { type TestPeer, World, converged, isUp } from './world.ts'

/** Number of links of a peer that carry documents. */
const degreeOf = ({ mesh }: TestPeer): number => mesh.links.filter(isUp).length

describe('a mesh of more devices than one links with', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  it('keeps every degree within its bounds, has the others on standby, and brings every document to everybody', async () => {
    const peers = await world.started(
      Array.from({ length: 8 }, (_, index) => `peer-${index}`),
      { degree: { target: 2, max: 5 } }
    )
    for (const { name, database } of peers) database.collection().put(name, { name })
    await converged(peers, 8)
    for (const peer of peers) {
      expect(degreeOf(peer)).to.be.within(1, 5)
      expect(peer.mesh.links).to.have.length(7)
    }
    await eventually('some to be on standby', () => peers.some(({ mesh }) => mesh.links.some(({ state }) => state === 'standby')))
  })

  it('shows everybody who is linked with whom', async () => {
    const peers = await world.started(['one', 'two', 'three', 'four', 'five'], { degree: { target: 2, max: 5 } })
    await eventually('all to know of all', () =>
      peers.every(
        ({ mesh }) => mesh.topology.length === 5 && mesh.topology.every(({ reached, neighbours }) => reached && neighbours.length > 0)
      )
    )
    for (const { mesh, id } of peers) expect(mesh.topology[0]?.peerId).to.equal(id)
  })

  it('tells readers of changes, and ends with their loop', async () => {
    const [one] = await world.started(['one', 'two'])
    let seen = 0
    for await (const links of one!.mesh.changes()) {
      seen++
      if (links.some(isUp)) break
    }
    expect(seen).to.be.greaterThan(0)
  })
})
