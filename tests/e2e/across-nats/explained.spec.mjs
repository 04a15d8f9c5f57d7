// Where nothing can work, people are told why and what to do.
import { expect } from 'chai'
import { cleanUp } from '../support/kithmesh.mjs'
import { Scene, connectedLinks } from './scene.mjs'

describe('kithmesh sync across NATs: where nothing can work', () => {
  let scene
  beforeEach(async () => {
    scene = await Scene.create({ a: 'symmetric-random', b: 'symmetric-random' })
  })
  afterEach(async () => {
    try {
      await cleanUp()
    } finally {
      await scene?.dispose()
      scene = undefined
    }
  })

  it('it says why, and what to do, in plain words', async () => {
    const [a, b] = [scene.sync('a', { relay: false, json: false }), scene.sync('b', { relay: false, json: false })]
    const text = await a.until(({ out }) => out.includes('only a relay can work') && out.includes('turn') && out, 'a reason')
    console.log(text)
    await b.stop()
  })

  it('and the same for machines', async () => {
    const [a, b] = [scene.sync('a', { relay: false }), scene.sync('b', { relay: false })]
    const report = await a.event(({ event, state }) => event === 'report' && state === 'failed', 'a report of a failure')
    console.log(JSON.stringify(report, null, 1))
    expect(connectedLinks(a)).to.deep.equal([])
    expect(connectedLinks(b)).to.deep.equal([])
  })
})
