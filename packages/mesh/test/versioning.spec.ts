import { expect } from 'chai'
import { errorCode, isKithmeshError } from '@kithmesh/core'
import { eventually, fastClock } from '@kithmesh/testkit'
import { World, converged, isUp, linkTo } from './world.ts'

describe('members of a mesh whose databases name revisions in different ways', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  it('are told so on both sides, whoever dials, by an error that names the other', async () => {
    const clock = fastClock(10)
    for (let round = 0; round < 4; round++) {
      // Fresh identities decide anew who dials.
      const trees = await world.peer(`trees ${round}`, { clock })
      const vectors = await world.peer(`vectors ${round}`, { clock, versioning: 'version-vectors' })
      await Promise.all([trees.mesh.start(), vectors.mesh.start()])
      for (const [here, there] of [
        [trees, vectors],
        [vectors, trees]
      ] as const) {
        await eventually(`${here.name} to know`, () => errorCode(linkTo(here, there)?.error) === 'ERR_REPL_VERSIONING')
        const error = linkTo(here, there)?.error
        if (!isKithmeshError(error)) throw new Error('no error of ours')
        expect(error.message).to.include(there.name)
        expect(error.hint).to.include('versioning')
        expect(isUp(linkTo(here, there))).to.equal(false)
      }
      await world.leave(trees)
      await world.leave(vectors)
    }
  })

  it('do not keep the others from each other', async () => {
    const [odd] = await world.started(['odd'], { versioning: 'version-vectors' })
    const peers = await world.started(['one', 'two'])
    for (const { name, database } of peers) database.collection().put(name, { name })
    await converged(peers, 2)
    expect(odd?.database.collection().count).to.equal(0)
  })
})
